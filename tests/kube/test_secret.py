#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""
helm installs and upgrades the chart, and the Secret of tokens stays what it
is.  In place of a cluster stands a server that keeps objects, in the form of
the Kubernetes API as far as helm uses it, and makes nothing run.
"""

import base64
import hashlib
import http.server
import json
import os
import threading
import urllib.parse

import kube
import librapi

SECRETS = "/api/v1/namespaces/librapi/secrets"
# Of each group what the chart makes without values.
GROUPS = {
    "/api/v1": {"ConfigMap": "configmaps", "Secret": "secrets",
                "PersistentVolumeClaim": "persistentvolumeclaims",
                "Service": "services"},
    "/apis/apps/v1": {"Deployment": "deployments"},
    "/apis/networking.k8s.io/v1": {"Ingress": "ingresses"},
}


def group(path):
    """An element of an APIGroupList, for "/apis/apps/v1"."""
    _, _, name, version = path.split("/")
    version = {"groupVersion": name + "/" + version, "version": version}
    return {"name": name, "versions": [version], "preferredVersion": version}


def discovery():
    answers = {
        "/version": {"major": "1", "minor": "30", "gitVersion": "v1.30.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "groups": [
            group(path) for path in GROUPS if path.startswith("/apis/")]},
    }
    for path, kinds in GROUPS.items():
        answers[path] = {
            "kind": "APIResourceList",
            "groupVersion": path.split("/", 2)[2],
            "resources": [{"name": name, "namespaced": True, "kind": kind,
                           "singularName": "", "verbs": ["get"]}
                          for kind, name in kinds.items()]}
    return answers


class Cluster(http.server.ThreadingHTTPServer):
    def __init__(self):
        super().__init__((librapi.ADDRESS, 0), Handler)
        self.objects = discovery()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def config(self, folder):
        """A file for KUBECONFIG that leads here."""
        path = os.path.join(folder, "kubeconfig")
        with open(path, "w", encoding="ascii",
                  opener=lambda *a: os.open(*a, mode=0o600)) as f:
            json.dump({
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": {
                    "server": "http://%s:%d" % self.server_address}}],
                "contexts": [{"name": "c", "context": {
                    "cluster": "c", "user": ""}}]}, f)
        return path

    def list(self, path, selector):
        """The objects of a folder that have these labels ("a=b,c=d")."""
        wanted = dict(one.split("=") for one in selector.split(",") if one)
        return [one for name, one in self.objects.items()
                if name.rpartition("/")[0] == path and wanted.items()
                <= one["metadata"].get("labels", {}).items()]


def merge(old, patch):
    """RFC 7396, which is what a strategic patch is where no lists are."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old or {})
    for name, value in patch.items():
        new[name] = merge(new.get(name), value)
    return {name: value for name, value in new.items() if value is not None}


class Handler(http.server.BaseHTTPRequestHandler):
    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status, answer):
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def keep(self, status, path, one):
        self.server.objects[path] = one
        self.answer(status, one)

    def do_GET(self):
        path, _, query = self.path.partition("?")
        selector = urllib.parse.parse_qs(query).get("labelSelector")
        if path in self.server.objects:
            self.answer(200, self.server.objects[path])
        elif selector:
            self.answer(200, {
                "apiVersion": "v1", "kind": "SecretList",
                "items": self.server.list(path, selector[0])})
        else:
            self.answer(404, {"apiVersion": "v1", "kind": "Status", "code": 404,
                              "status": "Failure", "reason": "NotFound"})

    def do_POST(self):
        one = self.body()
        path = self.path.partition("?")[0]
        self.keep(201, path + "/" + one["metadata"]["name"], one)

    def do_PUT(self):
        self.keep(200, self.path.partition("?")[0], self.body())

    def do_PATCH(self):
        path = self.path.partition("?")[0]
        self.keep(200, path, merge(self.server.objects[path], self.body()))

    def log_message(self, *_):
        pass


class Secret(librapi.TestCase):
    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.server_close)
        self.addCleanup(self.cluster.shutdown)

    def upgrade(self, *arguments):
        """As the README tells: installs what is not there yet."""
        kube.run(kube.HELM, "upgrade", "--install", "librapi", kube.CHART,
                 "--namespace=librapi", "--disable-openapi-validation",
                 "--kubeconfig=" + self.cluster.config(kube.WORK.name),
                 *arguments)
        return self.cluster.objects[SECRETS + "/librapi"]["data"]

    def releases(self):
        return len(self.cluster.list(SECRETS, "owner=helm"))

    def test_an_upgrade_keeps_the_token(self):
        first = self.upgrade()
        self.assertEqual(self.upgrade("--set=settings.workers=4"), first)
        self.assertEqual(self.releases(), 2)

    def test_an_upgrade_keeps_tokens_that_were_added_by_hand(self):
        data = self.upgrade()
        tokens = base64.b64decode(data["tokens"])
        data["tokens"] = base64.b64encode(
            tokens + b"0" * 64 + b" read app/\n").decode()
        added = dict(data)
        self.assertEqual(self.upgrade(), added)

    def test_a_new_installation_takes_up_the_secret_that_was_left(self):
        """helm uninstall leaves the Secret, with the release's name on it."""
        first = self.upgrade()
        left = self.cluster.objects[SECRETS + "/librapi"]
        self.cluster.objects = dict(discovery(), **{SECRETS + "/librapi": left})
        self.assertEqual(self.upgrade(), first)

    def test_a_secret_without_a_token_for_prometheus_is_given_one(self):
        data = self.upgrade()
        del data["metrics"]
        tokens = base64.b64decode(data["tokens"]).split(b"\n")[0]
        for kept in (tokens, tokens + b"\n"):
            data["tokens"] = base64.b64encode(kept).decode()
            self.cluster.objects[SECRETS + "/librapi"]["data"] = dict(data)
            new = self.upgrade()
            self.assertEqual(new["token"], data["token"])
            line = hashlib.sha256(base64.b64decode(new["metrics"]))
            self.assertEqual(
                base64.b64decode(new["tokens"]).decode(),
                f"{tokens.decode()}\n"
                f"{line.hexdigest()} read prometheus/\n")

    def test_each_installation_has_a_token_of_its_own(self):
        first = self.upgrade()
        self.cluster.objects = discovery()
        self.assertNotEqual(self.upgrade()["token"], first["token"])


if __name__ == "__main__":
    kube.main()
