"""What the lint checks share: the list of files, and C text without comments and strings."""
import os
import re

SKIPPED = {".git", "build", ".cache", "__pycache__"}


def files(root, folders, suffixes):
    """Paths relative to root, sorted, of the files below folders that end in one of suffixes."""
    found = []
    for folder in folders:
        for path, names, leaves in os.walk(os.path.join(root, folder)):
            names[:] = [n for n in names if n not in SKIPPED and not n.startswith("build")]
            found += [os.path.relpath(os.path.join(path, leaf), root) for leaf in leaves
                      if leaf.endswith(suffixes)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as f:
        return f.read()


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(text, keep_strings=False):
    """The text with comments (and the insides of strings) blanked; line numbers stay."""
    def wipe(match):
        token = match.group(0)
        if token[0] in "\"'":
            if keep_strings:
                return token
            return token[0] + token[0]
        return re.sub(r"[^\n]", " ", token)
    return TOKEN.sub(wipe, text)


def report(problems, checked, what):
    for problem in problems:
        print(problem)
    print("%d %s checked, %d problem%s" % (checked, what, len(problems),
                                           "" if len(problems) == 1 else "s"))
    return 1 if problems else 0
