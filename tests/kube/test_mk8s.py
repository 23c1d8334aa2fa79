#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
make librapi-in-mk8s without microk8s: a stand-in records what it is asked,
gives images to a real containerd of the test's own, and lets real helm render
what it shall install.  Run as root.

The image is a small one, built by the same steps: which files it has is what
test_image.py is for.
"""

import os
import subprocess

import kube
import librapi

MK8S = os.path.join(kube.KUBE, "mk8s")

# $STATE has: log, what was asked, a line each; release, while installed.
MICROK8S = r"""#!/bin/sh
echo "$*" >>"$STATE/log"
case "$1 ${2-}" in
"status --addon") [ -e "$STATE/addon-$3" ] && echo enabled || echo disabled ;;
"status "*) ;;
"enable "*) touch "$STATE/addon-$2" ;;
"ctr "*) shift; exec ctr --address "$STATE/containerd.sock" --namespace k8s.io "$@" ;;
"helm3 upgrade")
	shift 5
	"$HELM" template librapi "$CHART" "$@" >"$STATE/manifests" || exit 1
	touch "$STATE/release" ;;
"helm3 status") [ -e "$STATE/release" ] ;;
"helm3 uninstall") rm "$STATE/release" ;;
"kubectl apply") cat "$4" >/dev/null ;;
"kubectl -n") echo pvc-1 ;;
"kubectl patch" | "kubectl delete") ;;
*) echo "microk8s: $*?" >&2; exit 1 ;;
esac
"""

SUDO = r"""#!/bin/sh
echo "sudo $*" >>"$STATE/log"
exec "$@"
"""

# podman's part: two images that come from two contents.
PODMAN = r"""#!/bin/sh
case "$1 ${2-}" in
"image exists") ;;
"build "*) echo "build" >>"$STATE/log" ;;
"image inspect") sed 's/^/sha256:/' "$STATE/id" ;;
"tag "*) ;;
"save "*) exec cat "$STATE/image.tar" ;;
*) echo "podman: $*?" >&2; exit 1 ;;
esac
"""


class Mk8s(librapi.TestCase):
    def setUp(self):
        self.folder = self.service(start=False).folder
        self.hosts = self.path("hosts")
        self.write("hosts", "127.0.0.1\tlocalhost\n")
        self.write("id", "0123456789abcdef\n")
        for name, text in (("microk8s", MICROK8S), ("sudo", SUDO),
                           ("podman", PODMAN)):
            self.write("bin/" + name, text)
            os.chmod(self.path("bin/" + name), 0o755)
        self.containerd()

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def containerd(self):
        self.write("containerd.toml",
                   "version = 2\n"
                   f'root = "{self.path("root")}"\n'
                   f'state = "{self.path("state")}"\n'
                   'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
                   "[grpc]\n"
                   f'address = "{self.path("containerd.sock")}"\n')
        process = subprocess.Popen(
            librapi.DIES_WITH_US + [
                "containerd", "--config", self.path("containerd.toml")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        librapi.wait_until(
            lambda: os.path.exists(self.path("containerd.sock")),
            "containerd listens")

    def image(self, reference):
        """What `save` gives: an image of one empty layer (OCI)."""
        kube.run("python3", "-c", ARCHIVE, reference,
                 self.path("image.tar"))

    def environment(self, **more):
        return {"PATH": self.path("bin") + ":" + os.environ["PATH"],
                "STATE": self.folder, "HOSTS": self.hosts,
                "HELM": kube.HELM, "CHART": kube.CHART,
                "CONTAINER_ENGINE": "podman", **more}

    def mk8s(self, *steps, check=True, **more):
        return kube.run(MK8S, librapi.SOURCE, "1.0", *steps, check=check,
                        env=self.environment(**more))

    def images(self):
        return kube.run("ctr", "--address", self.path("containerd.sock"),
                        "--namespace", "k8s.io", "image", "ls", "-q"
                        ).stdout.split()

    def log(self):
        return self.read("log").splitlines()

    def test_all_steps_run_in_order_and_again_change_nothing(self):
        tag = "localhost/librapi:1.0-0123456789ab"
        self.image(tag)
        self.mk8s("in")
        log = self.log()
        places = [next(i for i, line in enumerate(log)
                       if line.startswith(start))
                  for start in ("status --wait-ready", "enable dns",
                                "enable helm3", "build", "ctr image import",
                                "kubectl apply", "helm3 upgrade --install")]
        self.assertEqual(places, sorted(places))
        self.assertEqual(self.images(), [tag])
        self.assertIn("127.0.0.1\tlibrapi.local\n", self.read("hosts"))
        docs = kube.by_kind(kube.documents(self.read("manifests")))
        pod = docs["Deployment", "librapi"]["spec"]["template"]["spec"]
        self.assertEqual({c["image"] for c in pod["containers"]}, {tag})
        self.assertNotIn(("Secret", "librapi"), docs)

        hosts = self.read("hosts")
        self.write("log", "")
        self.mk8s("in")
        self.assertEqual(self.read("hosts"), hosts)
        again = "\n".join(self.log())
        self.assertNotIn("ctr image import", again)
        self.assertNotIn("enable", again)

    def test_another_image_is_another_tag(self):
        self.image("localhost/librapi:1.0-0123456789ab")
        self.mk8s("import")
        self.write("id", "fedcba9876543210\n")
        self.image("localhost/librapi:1.0-fedcba987654")
        self.mk8s("import", "install")
        self.assertEqual(len(self.images()), 2)
        self.assertIn("localhost/librapi:1.0-fedcba987654",
                      self.read("manifests"))

    def test_a_line_without_an_end_stays_a_line(self):
        self.write("hosts", "127.0.0.1\tlocalhost")
        self.mk8s("hosts")
        self.assertEqual(self.read("hosts"), "127.0.0.1\tlocalhost\n"
                                             "127.0.0.1\tlibrapi.local\n")

    def test_off_leaves_the_data_unless_told_otherwise(self):
        self.image("localhost/librapi:1.0-0123456789ab")
        self.mk8s("install", "hosts")
        done = self.mk8s("off")
        self.assertIn("the data stays", done.stdout)
        self.assertEqual(self.read("hosts"), "127.0.0.1\tlocalhost\n")
        self.assertFalse(os.path.exists(self.path("release")))
        self.assertNotIn("kubectl", "\n".join(self.log()))
        self.mk8s("off")
        self.mk8s("off", DATA="delete")
        log = "\n".join(self.log())
        for deleted in ("kubectl patch pv pvc-1",
                        "kubectl delete namespace librapi",
                        "kubectl delete storageclass librapi"):
            self.assertIn(deleted, log)

    def test_what_is_missing_is_named(self):
        os.unlink(self.path("bin/microk8s"))
        done = self.mk8s("storage", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("microk8s is missing; install it", done.stderr)
        done = self.mk8s("image", check=False, CONTAINER_ENGINE="none-such")
        self.assertEqual(done.returncode, 1)
        self.assertIn("podman or docker", done.stderr)

    def test_a_step_that_fails_stops_the_others(self):
        done = self.mk8s("install", "hosts", check=False,
                         HELM_ARGS="--set replicas=2")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("replicas must be 1", done.stderr)
        self.assertNotIn("librapi.local", self.read("hosts"))


# An OCI archive with an image of one layer, as containerd imports it.
ARCHIVE = r"""
import gzip, hashlib, io, json, sys, tarfile
reference, path = sys.argv[1:]
blobs = {}
def blob(data):
    name = hashlib.sha256(data).hexdigest()
    blobs["blobs/sha256/" + name] = data
    return {"digest": "sha256:" + name, "size": len(data)}
layer = io.BytesIO()
tarfile.open(fileobj=layer, mode="w").close()
layer = layer.getvalue()
diff = "sha256:" + hashlib.sha256(layer).hexdigest()
oci = "application/vnd.oci.image."
config = blob(json.dumps({
    "architecture": "amd64", "os": "linux", "config": {},
    "rootfs": {"type": "layers", "diff_ids": [diff]}}).encode())
manifest = blob(json.dumps({
    "schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
    "config": {"mediaType": oci + "config.v1+json", **config},
    "layers": [{"mediaType": oci + "layer.v1.tar", **blob(layer)}]}).encode())
blobs["oci-layout"] = b'{"imageLayoutVersion":"1.0.0"}'
blobs["index.json"] = json.dumps({
    "schemaVersion": 2,
    "manifests": [{"mediaType": oci + "manifest.v1+json", **manifest,
                   "annotations": {
                       "io.containerd.image.name": reference}}]}).encode()
with tarfile.open(path, "w") as tar:
    for name, data in blobs.items():
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
"""


if __name__ == "__main__":
    kube.main()
