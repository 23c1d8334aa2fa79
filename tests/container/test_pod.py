#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
The pod, for real: what the chart and kustomize make of it runs under `podman
kube play`, is replaced, and is killed, and the data stays.

podman does not know Recreate; replacing a pod is what it would do: the old one
goes, then the new one comes, on the same claim.
"""

import base64
import json
import os
import secrets
import signal
import sys

import container
import librapi

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "kube"))

import kube     # found by the line above

# What podman makes a pod of; the rest it passes over.
KINDS = ("ConfigMap", "Secret", "PersistentVolumeClaim", "Deployment")
NO_ACCESS = ["--set", "access.enabled=false"]


# Of this run alone: what has another name may be somebody's data.
NAME = "librapi-test-" + secrets.token_hex(4)


def chart(version, *arguments):
    return kube.documents(kube.template(
        "--set-string", "fullnameOverride=" + NAME,
        "--set-string", "image.repository=localhost/librapi-test",
        "--set-string", "image.tag=" + version, *arguments).stdout)


def renamed(doc):
    """The document with NAME for librapi, wherever it names an object."""
    if isinstance(doc, list):
        return [renamed(item) for item in doc]
    if not isinstance(doc, dict):
        return doc
    return {name: NAME if value == "librapi"
            and name in ("name", "claimName", "secretName")
            else renamed(value) for name, value in doc.items()}


def manifests(version):
    text = kube.kustomize("microk8s")
    assert "localhost/librapi:0.1.0" in text
    return renamed(kube.documents(text.replace(
        "localhost/librapi:0.1.0", "localhost/librapi-test:" + version)))


def as_config(doc):
    """
    A Secret as a ConfigMap with another name, and everything else as it is:
    podman 4.3 mounts a Secret's values in base64, or falls over.
    """
    if doc["kind"] != "Secret":
        return doc
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": doc["metadata"]["name"] + "-secret"},
            "data": {name: base64.b64decode(value).decode()
                     for name, value in doc["data"].items()}}


def suit_podman(pod):
    """There is no network to publish a port to; secrets as in as_config()."""
    for one in pod["containers"]:
        one.pop("ports", None)
    for volume in pod["volumes"]:
        secret = volume.pop("secret", None)
        if secret:
            volume["configMap"] = {"name": secret["secretName"] + "-secret",
                                   "items": secret["items"]}


class Pod(librapi.TestCase):
    def setUp(self):
        self.text = None
        self.addCleanup(self.remove)

    def play(self, docs):
        """Make the pod that the manifests tell of; claims that are there
        already stay as they are."""
        claims = container.podman("volume", "ls", "-q").split()
        docs = [as_config(doc) for doc in docs if doc["kind"] in KINDS
                and not (doc["kind"] == "PersistentVolumeClaim"
                         and doc["metadata"]["name"] in claims)]
        for doc in docs:
            self.assertTrue(doc["metadata"]["name"].startswith(NAME), doc)
            if doc["kind"] == "Deployment":
                suit_podman(doc["spec"]["template"]["spec"])
        # JSON is YAML.
        self.text = "\n---\n".join(json.dumps(doc) for doc in docs)
        container.podman("kube", "play", "--network=host", "-",
                         stdin=self.text)
        container.wait_ready()

    def down(self):
        container.podman("kube", "down", "-", stdin=self.text)

    def remove(self):
        container.podman("pod", "rm", "-f", "-t", "0", NAME + "-pod-0",
                         check=False)
        # -secret is what podman makes of a ConfigMap that is mounted.
        for volume in (NAME, NAME + "-secret"):
            container.podman("volume", "rm", "-f", volume, check=False)

    def update(self, docs):
        self.down()
        self.play(docs)

    def storm_over(self, what, change):
        storm = container.Storm()
        storm.wait_for(100)
        change()
        storm.wait_for(100)
        without = storm.stop()
        container.say(f"{what}: {without * 1000:.0f} ms without service, "
                      f"{sum(storm.acknowledged)} writes acknowledged")
        self.assertEqual(storm.lost(), [])

    def put_and_get(self):
        large = os.urandom(3 << 20)
        for key, value in (("small", b"x"), ("large", large)):
            target = "/v1/kv/" + key
            self.assertIn(container.request("PUT", target, value).status,
                          (201, 204))
            self.assertEqual(container.request("GET", target).body, value)
        before = container.given()
        librapi.wait_until(
            lambda: container.request("GET", "/v1/kv/small").body == b"x"
            and container.given() > before, "a stored answer")

    def test_the_charts_pod_serves_and_an_update_keeps_the_data(self):
        old, new = container.VERSIONS
        self.play(chart(old, *NO_ACCESS, "--set",
                        "settings.value-max-bytes=4000000"))
        about = container.request("GET", "/v1").json
        self.assertEqual(about["version"], old)
        self.assertEqual(about["limits"]["value_bytes"], 4000000)
        self.put_and_get()
        self.update(chart(new, *NO_ACCESS))
        about = container.request("GET", "/v1").json
        self.assertEqual(about["version"], new)
        self.assertEqual(container.request("GET", "/v1/kv/small").body, b"x")

    def test_a_new_chart_asks_for_the_token_of_its_secret(self):
        docs = chart(container.VERSIONS[0])
        secret = next(doc for doc in docs if doc["kind"] == "Secret")
        token, metrics = (base64.b64decode(secret["data"][name]).decode()
                          for name in ("token", "metrics"))
        self.play(docs)
        self.assertEqual(container.request("PUT", "/v1/kv/a", b"x").status,
                         401)
        self.assertEqual(container.request("PUT", "/v1/kv/a", b"x",
                                           "not" + token).status, 401)
        self.assertEqual(container.request("PUT", "/v1/kv/a", b"x",
                                           token).status, 201)
        self.assertEqual(container.request("GET", "/v1/kv/a",
                                           token=metrics).status, 403)
        answer = container.request("GET", "/metrics", token=metrics)
        self.assertIn(b"\nlibrapi_store_revision 1\n", answer.body)
        self.update(docs)
        self.assertEqual(container.request("GET", "/v1/kv/a").status, 401)
        self.assertEqual(container.request("GET", "/v1/kv/a",
                                           token=token).body, b"x")

    def test_a_web_that_hangs_is_no_trouble_of_app(self):
        docs = chart(container.VERSIONS[1])
        self.play(docs)
        deployment = next(doc for doc in docs if doc["kind"] == "Deployment")
        app, _ = deployment["spec"]["template"]["spec"]["containers"]
        web = container.inspect("container", NAME + "-pod-0-web")["State"]
        os.kill(web["Pid"], signal.SIGSTOP)
        for probe in ("startupProbe", "livenessProbe"):
            container.podman("exec", NAME + "-pod-0-app",
                             *app[probe]["exec"]["command"])

    def test_the_plain_manifests_make_such_a_pod_too(self):
        self.play(manifests(container.VERSIONS[0]))
        self.put_and_get()

    def test_an_update_in_a_storm_of_writes_loses_nothing(self):
        old, new = (chart(version, *NO_ACCESS)
                    for version in container.VERSIONS)
        self.play(old)
        self.storm_over("update of the pod", lambda: self.update(new))

    def test_a_killed_pod_loses_nothing(self):
        docs = chart(container.VERSIONS[0], *NO_ACCESS)
        self.play(docs)

        def kill():
            container.podman("pod", "kill", "-s", "KILL", NAME + "-pod-0")
            self.update(docs)
        self.storm_over("SIGKILL of the pod", kill)


if __name__ == "__main__":
    kube.setup()
    container.main()
