#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes killed under load: nothing that was acknowledged is lost."""

import os
import random
import signal
import threading
import time

import librapi

WRITERS = 6


class Load:
    """
    Writers, each with keys of its own: new ones, and one that it overwrites
    with rising numbers.  `acknowledged` is what was answered with 2xx.
    """

    def __init__(self, service, name):
        self.service = service
        self.name = name
        self.stopping = threading.Event()
        self.acknowledged = [[] for _ in range(WRITERS)]
        self.last = [0] * WRITERS
        self.tried = [0] * WRITERS
        self.failures = 0
        self.threads = [threading.Thread(target=self.write, args=(i,),
                                         daemon=True)
                        for i in range(WRITERS)]

    def start(self):
        for thread in self.threads:
            thread.start()
        return self

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(librapi.TIMEOUT)
            assert not thread.is_alive(), "a writer hangs"

    def put(self, target, value):
        try:
            answer = self.service.put(target, value)
        except OSError:
            self.failures += 1
            return False
        if answer.status >= 500:
            self.failures += 1
            return False
        assert answer.status in (201, 204), answer
        return True

    def write(self, i):
        n = 0
        while not self.stopping.is_set():
            n += 1
            target = f"/v1/kv/{self.name}/{i}/{n}"
            if self.put(target, target.encode() * 5):
                self.acknowledged[i].append(target)
            self.tried[i] = n
            if self.put(f"/v1/kv/{self.name}/{i}/last", b"%d" % n):
                self.last[i] = n

    def verify(self, test):
        connection = self.service.connect()
        for i in range(WRITERS):
            for target in self.acknowledged[i]:
                got = connection.request("GET", target)
                test.assertEqual(got.status, 200, f"{target} is lost: {got}")
                test.assertEqual(got.body, target.encode() * 5)
            if not self.last[i]:
                continue
            got = connection.request(
                "GET", f"/v1/kv/{self.name}/{i}/last")
            test.assertGreaterEqual(int(got.body), self.last[i])
            test.assertLessEqual(int(got.body), self.tried[i])
        connection.close()

    def count(self):
        return sum(len(a) for a in self.acknowledged)


def kill_one(pids):
    return librapi.kill([random.choice(pids)]) if pids else 0


class Kill(librapi.TestCase):
    def setUp(self):
        seed = random.randrange(1 << 32)
        print(f"# seed {seed}")
        random.seed(seed)

    def restart_and_verify(self, service, *loads):
        for stop in (service.kill, service.stop, service.kill):
            stop()
            service.start()
            for load in loads:
                load.verify(self)

    def test_killed_workers_lose_nothing_acknowledged(self):
        service = self.service(workers=4)
        load = Load(service, "w").start()
        kills = 0
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline or kills <= 20 \
                or load.count() <= 100:
            time.sleep(random.uniform(0.01, 0.1))
            kills += kill_one(service.workers())
        load.stop()
        self.assertLessEqual(load.failures, kills * WRITERS)
        load.verify(self)
        self.restart_and_verify(service, load)
        print(f"# {kills} kills, {load.count()} writes, "
              f"{load.failures} failed")

    def test_killed_housekeepers_lose_nothing(self):
        service = self.service(workers=2, checkpoint_idle_ms=20)
        load = Load(service, "h").start()
        kills = 0
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline or kills <= 2:
            time.sleep(random.uniform(0.02, 0.3))
            kills += kill_one(service.children("housekeeper"))
        load.stop()
        load.verify(self)
        self.restart_and_verify(service, load)

    def test_everything_killed_under_load_twice_over(self):
        service = self.service(workers=3)
        loads = []
        for n in range(2):
            load = Load(service, f"all{n}").start()
            loads.append(load)
            time.sleep(random.uniform(0.5, 1))
            service.kill()
            load.stop()
            service.start()
            for each in loads:
                each.verify(self)
        self.restart_and_verify(service, *loads)

    def test_a_killed_supervisor_takes_its_children_along(self):
        service = self.service(workers=3)
        self.assertEqual(service.put("/v1/kv/a", b"1").status, 201)
        supervisor = service.supervisor()
        children = service.workers() + service.children("housekeeper")
        self.assertEqual(len(children), 4)
        librapi.kill([supervisor])
        librapi.wait_until(
            lambda: not any(os.path.exists(f"/proc/{p}") for p in children),
            "the children are gone", 5)
        service.wait_ready()
        self.assertNotEqual(service.supervisor(), supervisor)
        self.assertEqual(service.get("/v1/kv/a").body, b"1")

    def test_a_killed_supervisor_is_replaced_time_and_again(self):
        """Also when lighttpd looks before the last worker is dead."""
        service = self.service(workers=4)
        load = Load(service, "s").start()
        for _ in range(5):
            librapi.kill([service.supervisor()])
            time.sleep(random.uniform(0, 0.3))
            service.wait_ready()
        load.stop()
        load.verify(self)
        self.restart_and_verify(service, load)

    def test_everybody_killed_at_once_is_started_again(self):
        """As by pkill -9 librapi, or by one kill for each process."""
        service = self.service(workers=4)
        load = Load(service, "e").start()
        for n in range(6):
            time.sleep(random.uniform(0.1, 1.2))
            victims = [pid for pid in librapi.processes_in(service.folder)
                       if pid != service.lighttpd.pid]
            self.assertGreater(len(victims), 4)
            librapi.kill(victims if n % 2 else reversed(victims))
            service.wait_ready()
        load.stop()
        load.verify(self)
        self.restart_and_verify(service, load)

    def test_a_worker_that_is_stopped_does_not_stop_the_others(self):
        service = self.service(workers=3)
        stopped = service.workers()[0]
        os.kill(stopped, signal.SIGSTOP)
        for n in range(50):
            connection = librapi.Connection(service.port, timeout=10)
            try:
                self.assertEqual(
                    connection.request("GET", "/livez").status, 200)
            except TimeoutError:
                self.fail(f"request {n} hangs")
            finally:
                connection.close()
        os.kill(stopped, signal.SIGCONT)

    def test_a_worker_that_keeps_dying_is_started_ever_later(self):
        service = self.service(workers=1)
        deadline = time.monotonic() + 20
        while "restart_in_ms=400" not in service.log():
            self.assertLess(time.monotonic(), deadline, service.log())
            kill_one(service.workers())
            time.sleep(0.005)
        log = service.log()
        waits = [log.index(f"restart_in_ms={ms}")
                 for ms in (0, 100, 200, 400)]
        self.assertEqual(waits, sorted(waits))
        service.wait_ready()
        self.assertEqual(service.put("/v1/kv/a", b"1").status, 201)


if __name__ == "__main__":
    librapi.main()
