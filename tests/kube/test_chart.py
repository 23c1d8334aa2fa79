#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chart and the manifests, as far as that goes without a cluster."""

import base64
import copy
import hashlib
import os
import re
import tempfile

import kube
import librapi

MICROK8S = "--values=" + os.path.join(kube.CHART, "values-microk8s.yaml")

# Each takes another way through the templates.
MATRIX = [
    {},
    {"replicas": 0},
    {"image.tag": "1.2.3", "image.repository": "registry.example/librapi",
     "image.pullPolicy": "Always", "imagePullSecrets[0].name": "pull"},
    {"access.enabled": "false"},
    {"access.existingSecret": "tokens"},
    {"persistence.enabled": "false"},
    {"persistence.enabled": "false", "settings.engine": "memory"},
    {"persistence.existingClaim": "mine"},
    {"persistence.storageClass": "fast", "persistence.size": "100Gi"},
    {"settings.workers": 4, "settings.value-max-bytes": 10000000,
     "settings.require-conditions": "true", "settings.log-level": "debug"},
    {"ingress.enabled": "false", "service.type": "NodePort"},
    {"ingress.className": "nginx", "ingress.tls.enabled": "true",
     "ingress.annotations.a": "b"},
    {"networkPolicy.enabled": "true"},
    {"networkPolicy.enabled": "true",
     "networkPolicy.from[0].podSelector.matchLabels.app": "client"},
    {"podDisruptionBudget.enabled": "true"},
    {"serviceMonitor.enabled": "true", "serviceMonitor.labels.team": "a"},
    {"serviceMonitor.enabled": "true", "access.enabled": "false"},
    {"serviceMonitor.enabled": "true", "settings.metrics-open": "true",
     "serviceMonitor.scrapeTimeout": "5s",
     "serviceMonitor.relabelings[0].targetLabel": "team",
     "serviceMonitor.relabelings[0].replacement": "a",
     "serviceMonitor.metricRelabelings[0].action": "drop",
     "serviceMonitor.metricRelabelings[0].sourceLabels[0]": "le"},
    {"backup.enabled": "true"},
    {"backup.enabled": "true", "backup.existingClaim": "mine",
     "access.existingSecret": "tokens", "backup.storageClass": "slow"},
    {"backup.enabled": "true", "networkPolicy.enabled": "true",
     "networkPolicy.from[0].podSelector.matchLabels.app": "client"},
    {"nameOverride": "kv", "fullnameOverride": "store",
     "podAnnotations.a": "b", "nodeSelector.disk": "ssd",
     "tolerations[0].operator": "Exists",
     "service.annotations.a": "b", "web.bind": "[::]",
     "web.accessLog": "true", "web.eventHandler": "poll",
     "web.importMaxBytes": 0},
]

REFUSED = [
    ({"replicas": 2}, "engine gdbm has one process own its data: "
                      "replicas must be 1"),
    ({"replicas": -1}, "replicas: Must be greater than or equal to 0"),
    ({"autoscaling.enabled": "true"}, "can't be scaled out"),
    ({"settings.engine": "memory"}, "engine memory keeps nothing"),
    ({"settings.engine": "etcd"}, "settings.engine"),
    ({"settings.workers": 65}, "settings.workers: Must be less than or "
                               "equal to 64"),
    ({"settings.watchers-max": 24001}, "settings.watchers-max"),
    ({"settings.worker": 1}, "Additional property worker is not allowed"),
    ({"settings.data-dir": "/x"}, "data-dir is not allowed"),
    ({"persistance.size": "1Gi"}, "persistance is not allowed"),
    ({"persistence.size": "big"}, "persistence.size"),
    ({"ingress.host": "*example.com"}, "ingress.host"),
    ({"fullnameOverride": "my.kv"}, "fullnameOverride"),
    ({"fullnameOverride": "1kv"}, "fullnameOverride"),
    ({"fullnameOverride": "a" * 64}, "fullnameOverride"),
    ({"nameOverride": "a" * 64}, "nameOverride"),
    ({"settings.value-max-bytes": 67108864},
     "journal-segment-bytes must be at least 134217728, twice "
     "value-max-bytes, not 67108864"),
    ({"settings.journal-max-bytes": 131072},
     "journal-max-bytes must be at least 134217728"),
    ({"settings.journal-max-bytes": 17179869184},
     "journal-max-bytes must be at most 4294967296"),
    ({"settings.engine": "memory", "settings.workers": 2,
      "persistence.enabled": "false"}, "settings.workers must be 1"),
    ({"settings.cors-origin": "a.example"}, "settings.cors-origin"),
    ({"settings.drain-timeout-ms": 120001}, "raise "
                                            "terminationGracePeriodSeconds"),
    ({"terminationGracePeriodSeconds": 9}, "settings.drain-timeout-ms is "
                                           "10000"),
    ({"image.tag": "latest"}, "image.tag"),
    ({"service.type": "None"}, "service.type"),
    ({"service.port": 0}, "service.port"),
    ({"ingress.host": "Not A Host"}, "ingress.host"),
    ({"web.eventHandler": "select"}, "web.eventHandler"),
    ({"web.importMaxBytes": -1}, "web.importMaxBytes"),
    ({"backup.schedule": "daily"}, "backup.schedule"),
    ({"backup.keep": 0}, "backup.keep"),
    ({"serviceMonitor.interval": "often"}, "serviceMonitor.interval"),
    ({"serviceMonitor.scrapeTimeout": "soon"},
     "serviceMonitor.scrapeTimeout"),
]

# All that there is, with names that YAML or Kubernetes may take for something
# else: by release.
NAMES = {
    "123": {},
    "my.release": {},
    "1.5": {"nameOverride": "1.5"},
    "true": {"nameOverride": "123"},
    "r" * 53: {},
    "on": {"fullnameOverride": "a" * 51 + "--b"},
    "a": {"fullnameOverride": "a" * 44 + "--b"},
    "y": {"ingress.host": "*.example.com", "ingress.className": "123",
          "persistence.storageClass": "123", "backup.storageClass": "456",
          "ingress.tls.enabled": "true", "ingress.tls.secretName": "789"},
    "z": {"persistence.existingClaim": "123", "backup.existingClaim": "456",
          "access.existingSecret": "789"},
}
EVERYTHING = {name + ".enabled": "true" for name in (
    "networkPolicy", "podDisruptionBudget", "serviceMonitor", "backup")}
EVERYTHING["networkPolicy.from[0].podSelector.matchLabels.app"] = "client"

# Settings, each of them allowed, and whether they go together.
TOGETHER = [
    ({"value-max-bytes": 33554432}, True),
    ({"value-max-bytes": 33554433}, False),
    ({"value-max-bytes": 67108864, "journal-segment-bytes": 134217728}, True),
    ({"value-max-bytes": 67108864, "journal-segment-bytes": 134217727}, False),
    ({"journal-segment-bytes": 16777216}, True),
    ({"journal-segment-bytes": 16777215}, False),
    ({"journal-segment-bytes": 268435456}, True),
    ({"journal-segment-bytes": 268435457}, False),
    ({"journal-segment-bytes": 8388608}, False),
    ({"journal-segment-bytes": 1073741824,
      "journal-max-bytes": 17179869184}, True),
    ({"journal-segment-bytes": 1073741824,
      "journal-max-bytes": 2147483647}, False),
    ({"journal-max-bytes": 134217728}, True),
    ({"journal-max-bytes": 134217727}, False),
    ({"journal-max-bytes": 4294967296}, True),
    ({"journal-max-bytes": 4294967297}, False),
    ({"engine": "memory", "workers": 1}, True),
    ({"engine": "memory", "workers": 0}, False),
    ({"engine": "memory", "workers": 2}, False),
    ({"cors-origin": ""}, True),
    ({"cors-origin": "*"}, True),
    ({"cors-origin": "https://a.example,http://[::1]:8080"}, True),
    ({"cors-origin": "app+x://a_b"}, True),
    ({"cors-origin": "https://a.example, https://b.example"}, False),
    ({"cors-origin": "https://a.example,"}, False),
    ({"cors-origin": "https://a.example/"}, False),
    ({"cors-origin": "https://A.example"}, False),
    ({"cors-origin": "https://*.example"}, False),
    ({"cors-origin": "a.example"}, False),
    ({"cors-origin": "://a.example"}, False),
    ({"cors-origin": "https://"}, False),
]

# What helm adds, and what only an upgrade or an uninstallation needs.
OF_HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by",
           "app.kubernetes.io/version", "helm.sh/resource-policy",
           "checksum/settings")


def without_helm(doc):
    if isinstance(doc, list):
        return [without_helm(item) for item in doc]
    if not isinstance(doc, dict):
        return doc
    result = {name: without_helm(value) for name, value in doc.items()
              if name not in OF_HELM}
    # Nothing and an empty list, map or namespace mean the same.
    return {name: value for name, value in result.items()
            if value not in ([], {}) and name != "namespace"}


class Chart(librapi.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        texts = [kube.template(*kube.sets(values)).stdout
                 for values in MATRIX]
        cls.text = "\n---\n".join(texts)
        cls.all = kube.documents(cls.text)
        cls.one = kube.by_kind(kube.documents(texts[0]))

    def pods(self):
        for doc in self.all:
            if doc["kind"] == "Deployment":
                yield doc["spec"]["template"]["spec"]
            elif doc["kind"] == "CronJob":
                job = doc["spec"]["jobTemplate"]["spec"]
                yield job["template"]["spec"]

    def test_helm_finds_nothing_to_say(self):
        for values in ([], [MICROK8S]):
            kube.run(kube.HELM, "lint", "--strict", kube.CHART, *values)

    def test_kubernetes_would_take_every_document(self):
        manifests = kube.kustomize("microk8s")
        kube.validate(self.text + "\n---\n" + manifests)

    def test_what_kubernetes_would_refuse_is_found_here(self):
        good = kube.template("--set", "backup.enabled=true").stdout
        wrong = [re.sub(*change, good, count=1) for change in (
            ("periodSeconds: 1\n", "periodSecond: 1\n"),
            ("schedule: .*", "schedule: 5"),
            ("restartPolicy: Never", "restart: Never"),
            ("replicas: 1", "replicas: one"),
            ("type: Recreate", "type: Replace"))]
        done = kube.validate("\n---\n".join(wrong), check=False)
        self.assertEqual(done.returncode, 1)
        for found in ("periodSecond", "schedule must be", '"restart"',
                      "replicas must be", '"Replace"'):
            self.assertIn(found, done.stderr)

    def test_nonsense_is_refused_with_a_sentence(self):
        for values, sentence in REFUSED:
            done = kube.template(*kube.sets(values), check=False)
            self.assertNotEqual(done.returncode, 0, values)
            self.assertIn(sentence, done.stderr, values)

    def test_every_name_is_one_whatever_the_release_is_called(self):
        texts = [kube.template(*kube.sets({**EVERYTHING, **values}),
                               release=release).stdout
                 for release, values in NAMES.items()]
        kube.validate("\n---\n".join(texts))
        for text in texts:
            for doc in kube.documents(text):
                name = doc["metadata"]["name"]
                self.assertRegex(name, r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
                self.assertLessEqual(
                    len(name), 52 if doc["kind"] == "CronJob" else 63)
                for label in doc["metadata"]["labels"].values():
                    self.assertRegex(
                        label, r"^[a-z0-9A-Z]([-.\w]{0,61}[a-z0-9A-Z])?$")

    def test_every_pod_is_confined_as_restricted_asks(self):
        for pod in self.pods():
            self.assertIs(pod["automountServiceAccountToken"], False)
            security = pod["securityContext"]
            self.assertIs(security["runAsNonRoot"], True)
            self.assertEqual(security["runAsUser"], 10001)
            self.assertEqual(security["fsGroup"], 10001)
            self.assertEqual(security["seccompProfile"],
                             {"type": "RuntimeDefault"})
            for container in pod["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True})
                self.assertIn("memory", container["resources"]["limits"])
                self.assertFalse(container["image"].endswith(":latest"))

    def test_one_pod_after_the_other_has_the_data_and_only_in_app(self):
        deployment = self.one["Deployment", "librapi"]["spec"]
        self.assertEqual(deployment["strategy"], {"type": "Recreate"})
        self.assertEqual(deployment["replicas"], 1)
        app, web = deployment["template"]["spec"]["containers"]
        self.assertIn("data", [m["name"] for m in app["volumeMounts"]])
        self.assertNotIn("data", [m["name"] for m in web["volumeMounts"]])
        claim = self.one["PersistentVolumeClaim", "librapi"]
        self.assertEqual(claim["metadata"]["annotations"],
                         {"helm.sh/resource-policy": "keep"})

    def test_no_probe_kills_a_recovery(self):
        spec = self.one["Deployment", "librapi"]["spec"]["template"]["spec"]
        app, web = spec["containers"]
        start = app["startupProbe"]
        self.assertGreaterEqual(
            start["periodSeconds"] * start["failureThreshold"], 86400)
        self.assertEqual(web["readinessProbe"]["httpGet"]["path"],
                         "/readyz")

    def test_no_probe_has_one_container_answer_for_the_other(self):
        spec = self.one["Deployment", "librapi"]["spec"]["template"]["spec"]
        app, web = spec["containers"]
        for name in ("startupProbe", "livenessProbe"):
            self.assertEqual(app[name]["exec"]["command"],
                             ["librapi", "ping"])
        self.assertIn("tcpSocket", web["livenessProbe"])

    def test_the_token_made_is_the_one_in_the_file(self):
        secret = self.one["Secret", "librapi"]
        self.assertEqual(secret["metadata"]["annotations"],
                         {"helm.sh/resource-policy": "keep"})
        token, tokens = (base64.b64decode(secret["data"][name])
                         for name in ("token", "tokens"))
        self.assertGreaterEqual(len(token), 43)
        self.assertEqual(tokens.decode().splitlines()[0],
                         hashlib.sha256(token).hexdigest() + " admin")

    def monitor(self, **values):
        docs = kube.by_kind(kube.documents(kube.template(*kube.sets(
            {"serviceMonitor.enabled": "true", **values})).stdout))
        return docs["ServiceMonitor", "librapi"]["spec"], docs

    def test_prometheus_finds_the_service(self):
        spec, docs = self.monitor()
        service = docs["Service", "librapi"]
        self.assertLessEqual(spec["selector"]["matchLabels"].items(),
                             service["metadata"]["labels"].items())
        endpoint, = spec["endpoints"]
        self.assertEqual(endpoint["path"], "/metrics")
        self.assertIn(endpoint["port"],
                      [port["name"] for port in service["spec"]["ports"]])

    def test_prometheus_has_a_token_that_sees_no_key(self):
        spec, docs = self.monitor()
        authorization = spec["endpoints"][0]["authorization"]
        self.assertEqual(authorization["type"], "Bearer")
        data = docs["Secret", authorization["credentials"]["name"]]["data"]
        token = base64.b64decode(data[authorization["credentials"]["key"]])
        line = hashlib.sha256(token).hexdigest() + " read prometheus/"
        self.assertEqual(
            base64.b64decode(data["tokens"]).decode().splitlines()[1:],
            [line])

    def test_or_none_where_none_is_asked_for(self):
        for values in ({"access.enabled": "false"},
                       {"settings.metrics-open": "true"}):
            spec, _ = self.monitor(**values)
            self.assertNotIn("authorization", spec["endpoints"][0])

    def backup(self, **values):
        docs = kube.by_kind(kube.documents(kube.template(*kube.sets(
            {"backup.enabled": "true", **values})).stdout))
        job = docs["CronJob", "librapi-backup"]["spec"]["jobTemplate"]
        return job["spec"]["template"], docs

    def test_a_backup_is_tried_with_the_settings_of_the_service(self):
        template, docs = self.backup()
        container, = template["spec"]["containers"]
        name = container["envFrom"][0]["configMapRef"]["name"]
        self.assertIn(("ConfigMap", name), docs)

    def test_a_network_policy_lets_the_backup_in(self):
        peer = {"podSelector": {"matchLabels": {"app": "client"}}}
        template, docs = self.backup(**{
            "networkPolicy.enabled": "true",
            "networkPolicy.from[0].podSelector.matchLabels.app": "client"})
        labels = template["metadata"]["labels"]
        rule, = docs["NetworkPolicy", "librapi"]["spec"]["ingress"]
        self.assertEqual(rule["from"], [
            peer, {"podSelector": {"matchLabels": labels}}])
        # Without peers everybody is let in, and the backup with them.
        _, docs = self.backup(**{"networkPolicy.enabled": "true"})
        rule, = docs["NetworkPolicy", "librapi"]["spec"]["ingress"]
        self.assertNotIn("from", rule)

    def test_a_backup_is_not_taken_for_the_service(self):
        template, docs = self.backup(**{"networkPolicy.enabled": "true"})
        labels = template["metadata"]["labels"].items()
        for selector in (
                docs["Service", "librapi"]["spec"]["selector"],
                docs["Deployment", "librapi"]["spec"]["selector"]
                ["matchLabels"],
                docs["NetworkPolicy", "librapi"]["spec"]["podSelector"]
                ["matchLabels"]):
            self.assertFalse(selector.items() <= labels)

    def test_settings_arrive_as_they_are_written(self):
        self.assertEqual(
            [doc["data"] for doc in self.all if doc["kind"] == "ConfigMap"
             and "LIBRAPI_VALUE_MAX_BYTES" in doc["data"]],
            [{"LIGHTTPD_BIND": "0.0.0.0",
              "LIGHTTPD_IMPORT_MAX_BYTES": "268435456", "LIBRAPI_WORKERS": "4",
              "LIBRAPI_VALUE_MAX_BYTES": "10000000",
              "LIBRAPI_REQUIRE_CONDITIONS": "true",
              "LIBRAPI_LOG_LEVEL": "debug"}])

    def starts(self, data):
        """Whether librapi would start with a ConfigMap's data."""
        with tempfile.TemporaryDirectory() as folder:
            done = librapi.run(folder, "--check-config", **{
                name.removeprefix("LIBRAPI_").lower(): value
                for name, value in data.items()
                if name.startswith("LIBRAPI_")})
        return not done.returncode

    def test_librapi_starts_with_what_the_chart_makes(self):
        for doc in self.all:
            if doc["kind"] == "ConfigMap":
                self.assertTrue(self.starts(doc["data"]), doc["data"])

    def test_the_chart_takes_what_librapi_takes_and_nothing_else(self):
        for settings, good in TOGETHER:
            values = {"settings." + name: value
                      for name, value in settings.items()}
            if settings.get("engine") == "memory":
                values["persistence.enabled"] = "false"
            done = kube.template(*kube.sets(values), check=False)
            self.assertEqual(self.starts({
                "LIBRAPI_" + name.upper().replace("-", "_"): value
                for name, value in settings.items()}), good, settings)
            self.assertEqual(not done.returncode, good,
                             f"{settings}: {done.stderr}")

    def test_lighttpd_gets_the_options_that_are_asked_for(self):
        self.assertEqual(
            [doc["data"] for doc in self.all if doc["kind"] == "ConfigMap"
             and "LIGHTTPD_EVENT_HANDLER" in doc["data"]],
            [{"LIGHTTPD_BIND": "[::]", "LIGHTTPD_ACCESS_LOG": "/dev/stderr",
              "LIGHTTPD_EVENT_HANDLER": "poll",
              "LIGHTTPD_IMPORT_MAX_BYTES": "0"}])

    def test_an_import_has_a_quarter_of_the_volume_for_uploads(self):
        for web, most in (({"uploadSize": "7Mi"}, 7 << 18),
                          ({"uploadSize": "3Gi"}, 3 << 28),
                          ({"uploadSize": "2Ti"}, 1 << 39),
                          ({"uploadSize": "3Gi", "importMaxBytes": 1 << 33},
                           1 << 33)):
            docs = kube.by_kind(kube.documents(kube.template(*kube.sets(
                {"web." + name: value for name, value in web.items()})
                ).stdout))
            self.assertEqual(docs["ConfigMap", "librapi"]["data"]
                             ["LIGHTTPD_IMPORT_MAX_BYTES"], str(most), web)

    def test_other_settings_are_another_pod(self):
        marks = {doc["spec"]["template"]["metadata"]["annotations"]
                 ["checksum/settings"] for doc in self.all
                 if doc["kind"] == "Deployment"
                 and doc["metadata"]["name"] == "librapi"}
        self.assertGreater(len(marks), 1)

    def test_chart_and_program_have_one_version(self):
        with open(os.path.join(librapi.SOURCE, "configure.ac"),
                  encoding="utf-8") as f:
            version = re.search(r"AC_INIT\(\[librapi\], \[(.*)\]\)",
                                f.read())[1]
        with open(os.path.join(kube.CHART, "Chart.yaml"),
                  encoding="utf-8") as f:
            self.assertIn(f'appVersion: "{version}"\n', f.read())

    def agree(self, chart, manifests, extra):
        chart = kube.by_kind(kube.documents(chart))
        manifests = kube.by_kind(kube.documents(manifests))
        for key in extra:
            del manifests[key]
        self.assertEqual(without_helm(copy.deepcopy(manifests)),
                         without_helm(copy.deepcopy(chart)))

    def test_the_plain_manifests_are_what_the_chart_makes(self):
        self.agree(kube.template("--set",
                                 "access.existingSecret=librapi").stdout,
                   kube.kustomize("base"), [])

    def test_and_so_are_those_for_microk8s(self):
        self.agree(kube.template(MICROK8S).stdout,
                   kube.kustomize("microk8s"),
                   [("Namespace", "librapi"), ("StorageClass", "librapi")])


if __name__ == "__main__":
    kube.main()
