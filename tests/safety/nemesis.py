"""What goes wrong, and when: a schedule that a seed determines, and how it is carried out."""
import random
import signal
import subprocess
import time

import network


class Fault:
    """One round. Victims are named by their part when it begins, which another run of the same
    seed may find in other hands; times are in units of the node timeout."""

    def __init__(self, rng, kinds, settles):
        self.kind = rng.choice(kinds)
        self.tag = rng.randrange(3)
        self.victim = rng.choice(("primary", "primary", "primary", "replica"))
        self.length = rng.choice((0.2, 0.7, 1.2, 1.8, 2.5))
        self.dice = rng.random()
        self.settles = rng.random() < settles
        self.checkpoint = rng.random() < 0.3
        self.rng = random.Random(rng.getrandbits(64))

    def __str__(self):
        return "%s of the %s of shard %d for %.1f node timeouts%s%s" % (
            self.kind, self.victim, self.tag, self.length,
            ", checkpoint before" if self.checkpoint else "",
            ", settles" if self.settles else "")


# Kinds by what they need.
ALWAYS = ("kill", "kill", "kill_shard", "kill_all", "kill_twice", "stop", "pause", "pause_shard",
          "isolate", "isolate", "split", "deaf", "mute", "behind", "failover", "isolate_kill",
          "pause_kill")
SHIM = ("slow_disk", "clock", "clock")
DISKS = ("full_disk", "full_disk")


def schedule(rng, rounds, settles, shim, disks):
    """settles: how many of the rounds wait until all is well before the next one, 0 to 1."""
    kinds = ALWAYS + (SHIM if shim else ()) + (DISKS if disks else ())
    return [Fault(rng, kinds, settles) for _ in range(rounds)]


class Nemesis:
    """Carries out one fault after the other. deaths: nodes that ended although nobody had them
    end."""

    def __init__(self, nodes, workers, say):
        self.nodes, self.workers, self.say = nodes, workers, say
        self.addresses = {s.address for s in nodes.nodes}
        self.deaths = []
        self.may_end = set()  # their disk is full, or was when they were started

    def seconds(self, units):
        return units * self.nodes.timeout_ms / 1000

    def sleep(self, units):
        time.sleep(self.seconds(units))

    # --- who ---

    def roles(self, tag):
        """(primary, replicas) as somebody who answers sees them; any shard's when nobody does."""
        for server in self.nodes.living():
            try:
                with server.client(timeout=0.5) as c:
                    slot = c.call("CLUSTER", "KEYSLOT", self.nodes.TAGS[tag])
                    for first, last, *members in c.call("CLUSTER", "SLOTS"):
                        if first <= slot <= last:
                            found = [self.nodes.by_port(m[1]) for m in members]
                            return found[0], found[1:]
            except Exception:  # it does not answer, or not yet
                continue
        return self.nodes.nodes[tag], []

    def pick(self, fault):
        """(victim, the shard's nodes)."""
        primary, replicas = self.roles(fault.tag)
        if fault.victim == "replica" and replicas:
            return replicas[0], [primary] + replicas
        return primary, [primary] + replicas

    # --- faults; each ends with what revive() mends ---

    def kill(self, fault):
        victim, _ = self.pick(fault)
        victim.kill()
        self.sleep(fault.length)

    def kill_shard(self, fault):
        _, shard = self.pick(fault)
        for server in shard if fault.dice < 0.5 else reversed(shard):
            server.kill()
            self.sleep(fault.dice * 0.3)
        self.sleep(fault.length * 0.5)

    def kill_all(self, fault):
        for server in self.nodes.nodes:
            server.kill()
        self.sleep(fault.length * 0.2)

    def kill_twice(self, fault):
        """Once more while it comes back."""
        victim, _ = self.pick(fault)
        victim.kill()
        self.sleep(fault.length)
        victim.launch()
        time.sleep(fault.dice * 0.6)
        victim.kill()
        self.sleep(0.2)

    def stop(self, fault):
        """SIGTERM; a primary hands over."""
        victim, _ = self.pick(fault)
        self.nodes.signal(victim, signal.SIGTERM)
        self.may_end.add(victim)
        self.sleep(fault.length)
        try:
            victim.process.wait(20)
        except subprocess.TimeoutExpired:
            self.deaths.append("node %d does not stop\n%s" % (victim.number, victim.tail(40)))
            victim.kill()

    def pause(self, fault):
        victim, _ = self.pick(fault)
        self.nodes.signal(victim, signal.SIGSTOP)
        self.sleep(fault.length)

    def pause_shard(self, fault):
        _, shard = self.pick(fault)
        for server in shard:
            self.nodes.signal(server, signal.SIGSTOP)
        self.sleep(fault.length * 0.5)

    def pause_kill(self, fault):
        """A primary that stands still, is replaced, and dies right after it wakes."""
        victim, _ = self.pick(fault)
        self.nodes.signal(victim, signal.SIGSTOP)
        self.sleep(fault.length)
        self.nodes.signal(victim, signal.SIGCONT)
        time.sleep(fault.dice * 0.1)
        victim.kill()

    def _clients(self, fault, share):
        """Addresses of some clients."""
        return {w.address for w in self.workers if fault.rng.random() < share}

    def _divide(self, fault, inside):
        """Nodes inside, and half of the clients, hear nothing of the others."""
        inside = {s.address for s in inside}
        clients = self._clients(fault, 0.5)
        outside = {w.address for w in self.workers} - clients
        self.nodes.net.drop(network.between(inside | clients, (self.addresses - inside) | outside))

    def isolate(self, fault):
        victim, _ = self.pick(fault)
        self._divide(fault, [victim])
        self.sleep(fault.length)

    def isolate_kill(self, fault):
        """The majority's new primary dies as soon as it is there, or nearly."""
        victim, shard = self.pick(fault)
        self._divide(fault, [victim])
        self.sleep(fault.length)
        for server in shard:
            if server is not victim:
                server.kill()
        self.nodes.net.drop(set())
        self.sleep(fault.dice)

    def split(self, fault):
        """Two parts at random."""
        part = [s for s in self.nodes.nodes if fault.rng.random() < 0.5]
        self._divide(fault, part)
        self.sleep(fault.length)

    def _one_way(self, fault, deaf):
        victim, _ = self.pick(fault)
        others = self.addresses - {victim.address}
        self.nodes.net.drop({(o, victim.address, "all") if deaf else (victim.address, o, "all")
                             for o in others})
        self.sleep(fault.length)

    def deaf(self, fault):
        self._one_way(fault, True)

    def mute(self, fault):
        self._one_way(fault, False)

    def behind(self, fault):
        """The replicas get nothing of what is acknowledged, then the primary dies or is cut off."""
        primary, replicas = self.roles(fault.tag)
        addresses = {s.address for s in replicas}
        drops = network.between({primary.address}, addresses, "data")
        self.nodes.net.drop(drops)
        self.sleep(0.3)
        if fault.dice < 0.6:
            primary.kill()
        else:
            self.nodes.net.drop(drops | network.between({primary.address}, self.addresses - {
                primary.address}))
        self.sleep(fault.length)

    def failover(self, fault):
        """By command."""
        _, replicas = self.roles(fault.tag)
        for server in replicas[:1]:
            try:
                with server.client(timeout=1) as c:
                    c.call("CLUSTER", "FAILOVER", *([] if fault.dice < 0.6 else ["FORCE"]))
            except Exception:  # it says no, or is not there
                pass
        self.sleep(fault.length * 0.5)

    def slow_disk(self, fault):
        victim, _ = self.pick(fault)
        self.nodes.fault(victim, "fdatasync delay %d" % (
            fault.dice * fault.dice * self.nodes.timeout_ms))
        self.sleep(fault.length)
        if fault.dice < 0.5:
            victim.kill()

    def clock(self, fault):
        """Some nodes' wall clocks jump, and jump back when it is over."""
        for server in self.nodes.nodes:
            if fault.rng.random() < 0.4:
                self.nodes.fault(server, "clock %d" % fault.rng.choice(
                    (-86400, -60, -2, 2, 60, 86400)))
        self.sleep(fault.length)
        if fault.dice < 0.3:
            self.pick(fault)[0].kill()

    def full_disk(self, fault):
        victim, _ = self.pick(fault)
        self.may_end.add(victim)
        self.nodes.fill(victim)
        self.sleep(fault.length)
        if fault.dice < 0.4:
            victim.kill()
            self.sleep(0.5)

    # --- rounds ---

    def look_for_deaths(self):
        for server in self.nodes.nodes:
            code = server.process.poll()
            if code is not None and code != -signal.SIGKILL and server not in self.may_end:
                self.deaths.append("node %d ended with %d\n%s" % (server.number, code,
                                                                  server.tail(40)))

    def round(self, fault):
        if fault.checkpoint:
            self.checkpoint(fault)
        getattr(self, fault.kind)(fault)
        self.look_for_deaths()
        self.nodes.revive()
        self.restart(fault.rng)
        self.may_end.clear()
        if fault.settles:
            self.settle(5)
        else:
            self.sleep(fault.dice)

    def restart(self, rng, but=()):
        dead = [s for s in self.nodes.nodes if s.process.poll() is not None and s not in but]
        rng.shuffle(dead)
        for server in dead:
            server.launch()

    def checkpoint(self, fault):
        """What is in memory goes to the store: a fork may be behind it then."""
        victim, _ = self.pick(fault)
        try:
            with victim.client(timeout=1) as c:
                c.call("BGSAVE")
        except Exception:  # it is busy with one, or can't now
            pass

    def settle(self, timeouts):
        """Waits until all is well, for a while."""
        end = time.monotonic() + self.seconds(timeouts)
        while time.monotonic() < end:
            try:
                if self.nodes.is_settled():
                    return True
            except Exception:  # somebody is not up yet
                pass
            time.sleep(0.1)
        return False
