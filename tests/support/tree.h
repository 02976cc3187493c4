/* Folders with all that is in them, without a process of a shell for each: the crash tests make and
 * remove thousands. */
#ifndef CAIRN_TESTS_SUPPORT_TREE_H
#define CAIRN_TESTS_SUPPORT_TREE_H

/* Removes a folder and what is in it; none is fine. Ends the program when that fails. */
void remove_tree(const char *path);

/* Copies the files and folders in from into to, which is made when it is not there. Holes stay
 * holes. Ends the program when that fails. */
void copy_tree(const char *from, const char *to);

#endif
