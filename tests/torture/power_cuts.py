#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
Power cuts on real file systems: ext4, xfs and btrfs.

The disk is an image file, on loop, which itself lies on a Btrfs made for the
purpose.  Several processes write into a store on it (plug.c).  A clone of the
image at a random moment is what the disk would hold after the plug had been
pulled: it is mounted, so the file system recovers, then the store does, and it
has to hold all that was acknowledged before the clone began, in the same
order, without a gap, batches whole, and be sound.  (Linux before 6.7 mounts
no clone of a Btrfs that is mounted: there that part is skipped.)

For root only, and not a part of make check: .ci/run and make torture run it,
among mounts of its own, which go with it.

    unshare --mount power_cuts.py [--cuts=N] [--seed=N]
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = os.environ.get("LIBRAPI_BUILD_DIR", os.getcwd())
PLUG = os.path.join(BUILD, "tests", "torture", "plug")

FILE_SYSTEMS = ["ext4", "xfs", "btrfs"]
MKFS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q"],
        "btrfs": ["mkfs.btrfs", "-q"]}
DISK_MB = 640
POOL_MB = 8192          # sparse
PAUSE_S = 0.4           # at most, between two cuts
STEP_S = 60             # that any single command may take


class Failure(Exception):
    pass


def mounts_clones(kind):
    return kind != "btrfs" or os.path.exists("/sys/fs/btrfs/features/temp_fsid")


def run(*command, ok=(0,)):
    result = subprocess.run(command, capture_output=True, text=True,
                            timeout=STEP_S)
    if result.returncode not in ok:
        raise Failure(f"{' '.join(command)}: exit {result.returncode}\n"
                      f"{result.stdout}{result.stderr}")
    return result.stdout.strip()


class Mounts:
    """What is mounted, to be taken away in the end whatever happens."""

    def __init__(self, folder):
        self.folder = folder
        self.at = []

    def path(self, name):
        return os.path.join(self.folder, name)

    def mount(self, image, name, kind):
        options = "loop,nouuid" if kind == "xfs" else "loop"
        os.makedirs(self.path(name), exist_ok=True)
        self.at.append(name)    # first: we may be stopped while it mounts
        run("mount", "-t", kind, "-o", options, image, self.path(name))
        return self.path(name)

    def unmount(self, name):
        for _ in range(50):
            if not os.path.ismount(self.path(name)):
                break
            if subprocess.run(["umount", self.path(name)],
                              capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            run("umount", "-l", self.path(name))
        self.at.remove(name)

    def unmount_all(self):
        for name in reversed(list(self.at)):
            self.unmount(name)


def make_image(path, megabytes, kind):
    with open(path, "wb") as f:
        f.truncate(megabytes << 20)
    run(*MKFS[kind], path)


class Disk:
    """A file system with writers on it, to be cut again and again."""

    def __init__(self, mounts, kind, dice):
        self.mounts = mounts
        self.kind = kind
        self.dice = dice
        self.image = mounts.path("pool/disk.img")
        self.cuts = []          # what was acknowledged at each
        self.ledger = mounts.path("ledger")
        self.writers = None

    def start(self):
        make_image(self.image, DISK_MB, self.kind)
        folder = self.mounts.mount(self.image, "disk", self.kind)
        self.writers = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", PLUG, "write",
             os.path.join(folder, "data"), self.ledger,
             str(self.dice.randrange(1 << 32))])

    def stop(self):
        if self.writers:
            self.writers.kill()
            self.writers.wait(STEP_S)
        if "disk" in self.mounts.at:
            self.mounts.unmount("disk")
        if os.path.exists(self.image):
            os.remove(self.image)

    def cut(self):
        time.sleep(self.dice.uniform(0, PAUSE_S))
        if self.writers.poll() is not None:
            raise Failure("the writers have stopped")
        # A new file each time: whoever has cloned our mounts meanwhile (a
        # container that starts) still has the last one, and mount(8) would
        # give us that file system again.
        copy = self.mounts.path(f"pool/copy-{len(self.cuts)}.img")
        acked = run(PLUG, "cut", self.ledger, self.image, copy)
        self.cuts.append(int(acked))
        try:
            self.recover(copy, acked)
        except Failure as e:
            raise Failure(f"{e}acknowledged at the last cuts: "
                          f"{self.cuts[-5:]}") from e
        finally:
            os.remove(copy)

    def recover(self, copy, acked):
        folder = self.mounts.mount(copy, "copy", self.kind)
        try:
            run(PLUG, "verify", os.path.join(folder, "data"), self.ledger,
                acked)
        finally:
            self.mounts.unmount("copy")


def try_file_system(mounts, kind, cuts, seed):
    disk = Disk(mounts, kind, random.Random(f"{seed} {kind}"))
    survived = 0
    begun = time.monotonic()
    try:
        disk.start()
        while survived < cuts:
            disk.cut()
            survived += 1
    finally:
        disk.stop()
        print(f"# {kind}: {survived} of {cuts} power cuts survived, "
              f"{disk.cuts[-1] if disk.cuts else 0} revisions, "
              f"{time.monotonic() - begun:.0f} s, seed {seed}", flush=True)


def try_all(folder, cuts, seed):
    mounts = Mounts(folder)
    failed = 0
    try:
        make_image(mounts.path("pool.img"), POOL_MB, "btrfs")
        mounts.mount(mounts.path("pool.img"), "pool", "btrfs")
        for number, kind in enumerate(FILE_SYSTEMS, 1):
            name = f"{number} - {kind}: a power cut takes nothing " \
                "that was acknowledged"
            if not mounts_clones(kind):
                print("ok", name, "# SKIP this Linux mounts no clone of it",
                      flush=True)
                continue
            try:
                try_file_system(mounts, kind, cuts, seed)
                print("ok", name, flush=True)
            except (Failure, subprocess.SubprocessError) as e:
                failed += 1
                for line in str(e).splitlines():
                    print("#", line)
                print("not ok", name, flush=True)
    finally:
        mounts.unmount_all()
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--cuts", type=int, default=102)
    parser.add_argument("--seed", default=os.environ.get("LIBRAPI_SEED"))
    args = parser.parse_args()
    seed = args.seed or random.randrange(1 << 32)
    each = -(-args.cuts // len(FILE_SYSTEMS))

    if os.geteuid() != 0:
        sys.exit("power_cuts.py mounts file systems: run it as root")
    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        signal.signal(getattr(signal, name), lambda *_: sys.exit(1))
    print(f"1..{len(FILE_SYSTEMS)}", flush=True)
    folder = tempfile.mkdtemp(prefix="librapi-cuts-")
    try:
        failed = try_all(folder, each, seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(bool(failed))


main()
