# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured beside single GETs and PUTs, each by a function."""

import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import time

import load
import peers

ALONE = os.path.join(peers.PROGRAMS, "store_alone")
BATCH = 100
MIB = 1 << 20
CHECKPOINTS = 3
CHECKPOINT_TRIES = 6
CHECKPOINT_KEYS = 200000
CHECKPOINT_IDLE_MS = 500
RECOVERIES = 3
RECOVERY_SEGMENTS = 3   # of journal, 64 MiB each, full


def supports(service, method, target):
    """Whether this librapi has the route."""
    body = b"" if method == "POST" else None
    return service.request(method, target, body).status not in (404, 405)


def txn_request(op):
    body = json.dumps({"do": [dict(op) for _ in range(BATCH)]})
    return peers.http("POST", "/v1/txn", body,
                      ["Content-Type: application/json"])


def in_turn(service, plan, kinds):
    """Keys a second of {name: (request, its keys)}, with 64 connections."""
    seen = {name: [] for name in kinds}
    for seed in range(plan.rounds):
        for name, (request, _) in kinds.items():
            seen[name].append(load.Load(service, request, plan.keys, 64)
                              .run(plan.seconds, seed))
    found = {}
    for name, results in seen.items():
        found[name] = kinds[name][1] * \
            statistics.median(r["rate"] for r in results)
        found[name + "_errors"] = sum(r["errors"] for r in results)
    return found


def transactions(service, plan):
    """By transactions of 100, and what they are compared with."""
    if not supports(service, "POST", "/v1/txn"):
        return {}
    found = in_turn(service, plan, {
        "single_get": (service.get_request(), 1),
        "txn_get": (txn_request({"get": "{KEY}"}), BATCH)})
    found.update(in_turn(service, plan, {
        "txn_put": (txn_request({"put": "{KEY}", "value": peers.value(100)}),
                    BATCH)}))
    return found


def import_export(service, plan):
    """Keys a second; all that is there, given back as it came."""
    if not supports(service, "GET", "/v1/export"):
        return {}
    found = {}
    exports, imports = [], []
    for _ in range(min(3, plan.rounds)):
        link = http.client.HTTPConnection(service.address, service.port,
                                          timeout=600)
        begun = time.monotonic()
        link.request("GET", "/v1/export")
        body = link.getresponse().read()
        exports.append(time.monotonic() - begun)
        begun = time.monotonic()
        link.request("POST", "/v1/import?mode=merge", body,
                     {"Content-Type": "application/jsonl"})
        answer = link.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        imports.append(time.monotonic() - begun)
        link.close()
    found["export"] = plan.many / statistics.median(exports)
    found["import"] = plan.many / statistics.median(imports)
    return found


def is_settled(service):
    """Whether all that was written is in the tables."""
    text = service.request("GET", "/metrics").body.decode()
    return float(re.search(r"^librapi_store_journal_bytes (\S+)$", text,
                           re.M).group(1)) == 0


def page_cost(small, many, plan):
    """
    Pages of 100 from random places, one connection: time, many : small.
    Neither has a checkpoint to do meanwhile.
    """
    costs = {small: [], many: []}
    for service in costs:
        peers.librapi.wait_until(lambda: is_settled(service), "settled", 60)
    for seed in range(max(3, plan.rounds)):
        for service, keys in ((small, plan.keys), (many, plan.many)):
            request = peers.http("GET", "/v1/kv?limit=100&after={KEY}")
            result = load.Load(service, request, keys - BATCH, 1) \
                .run(plan.seconds, seed)
            assert not result["errors"], result
            costs[service].append(1e6 / result["rate"])
    at_small = statistics.median(costs[small])
    at_many = statistics.median(costs[many])
    return {"page_us_small": at_small, "page_us_many": at_many,
            "page_ratio": at_many / at_small}


def idle_memory(folder):
    """MiB of everything, with 8 workers that have nothing to do."""
    service = peers.Librapi(folder, workers=8)
    service.start()
    time.sleep(2)
    total, anonymous = load.memory_mib(service.processes())
    service.kill()
    return {"idle_pss": total, "idle_pss_no_cache": anonymous}


def loaded_memory(service, plan):
    """MiB at many keys while GETs and PUTs go on: the most that was seen."""
    work = [load.Load(service, request, plan.many, 32).start(plan.seconds + 2)
            for request in (service.get_request(), service.put_request(100))]
    seen = []
    while any(wrk.poll() is None for wrk in work):
        seen.append(load.memory_mib(service.processes()))
        time.sleep(0.2)
    for wrk in work:
        load.Load.result(wrk)
    return {"loaded_pss": max(total for total, _ in seen),
            "loaded_pss_no_cache": max(rest for _, rest in seen)}


def start_time(service):
    begun = time.monotonic()
    service.start()
    return time.monotonic() - begun


def replayed(service):
    """Commits that the last start found in the journal."""
    return int(re.findall(r"event=store-open .*replayed=(\d+)",
                          service.log())[-1])


def recovery(new_folder):
    """Seconds until ready, per 64 MiB of journal, beyond an empty start."""
    empty, full = [], []
    for _ in range(RECOVERIES):
        service = peers.Librapi(new_folder())
        service.start()
        service.stop()
        empty.append(start_time(service))
        service.stop()
        subprocess.run([ALONE, "crash", service.path("data"),
                        str(RECOVERY_SEGMENTS * 64 * MIB), "100"],
                       check=False)
        full.append(start_time(service))
        assert replayed(service) > RECOVERY_SEGMENTS * 250000, service.log()
        service.kill()
        shutil.rmtree(service.folder)
    took = statistics.median(full) - statistics.median(empty)
    return {"recovery_s": took / RECOVERY_SEGMENTS,
            "start_s": statistics.median(empty)}


def checkpoints(folder, plan):
    """
    p99 of GETs during checkpoints and without, 16 connections; all of them
    read the store.  A checkpoint that ends before the GETs do is made again,
    of more keys.
    """
    service = peers.Librapi(folder, checkpoint_idle_ms=CHECKPOINT_IDLE_MS,
                            stored_bytes=0)
    service.start()
    gets = load.Load(service, service.get_request(), plan.keys, 16)
    during, without = [], []
    keys = CHECKPOINT_KEYS

    def done():
        return service.log().count("event=checkpoint revision=")

    for seed in range(CHECKPOINT_TRIES):
        service.fill(keys, 100)
        time.sleep(CHECKPOINT_IDLE_MS / 1000)
        begun = done()
        wrk = gets.start(1, seed)
        time.sleep(0.7)
        lasts = done() == begun
        result = load.Load.result(wrk)
        if lasts:
            during.append(result["p99"])
            peers.librapi.wait_until(lambda: done() > begun, "a checkpoint")
        else:
            keys *= 2
        time.sleep(0.5)
        without.append(gets.run(1, seed)["p99"])
        if len(during) == CHECKPOINTS:
            break
    service.kill()
    if not during:
        return {}
    return {"p99_checkpoint": statistics.median(during),
            "p99_without": statistics.median(without)}


def alone_once(command, folder, writers, readers, plan):
    out = subprocess.run(
        command + [folder, str(writers), str(readers), str(plan.seconds),
                   str(plan.keys), "100"],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    return [float(word) for word in out.split()]


def store_alone(new_folder, plan):
    """Writes and reads a second without HTTP; librapi, BoltDB in turn."""
    kinds = {"alone": lambda: ([ALONE, "load"], new_folder())}
    if not peers.why_missing(peers.BoltKept):
        kinds["bolt_alone"] = lambda: (
            [peers.BOLT, "load"], os.path.join(new_folder(), "bolt.db"))
    mixes = {"writes": (16, 0, 0), "reads": (0, 8, 1),
             "reads_beside": (8, 8, 1)}
    seen = {}
    for _ in range(plan.rounds):
        for kind, fresh in kinds.items():
            for mix, (writers, readers, which) in mixes.items():
                command, folder = fresh()
                rates = alone_once(command, folder, writers, readers, plan)
                seen.setdefault(f"{kind}_{mix}", []).append(rates[which])
    return {name: statistics.median(rates) for name, rates in seen.items()}
