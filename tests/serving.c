/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serving.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "worker.h"

void serving_open(struct serving *s, const struct conf *conf)
{
	struct store_conf store_conf = service_store_conf(conf);

	for (int i = 0; i < LISTEN_REQUESTS; i++) {
		char name[] = "s0";

		name[1] = (char)('0' + i);
		snprintf(s->listen[i], sizeof(s->listen[i]), "unix:%s",
			 harness_path(name));
	}
	s->conf = *conf;
	s->conf.listen = s->listen[LISTEN_API];
	s->conf.watch_listen = s->listen[LISTEN_WATCH];
	s->conf.transfer_listen = s->listen[LISTEN_TRANSFER];
	s->conf.stored_listen = "";
	s->service = (struct service){ .conf = &s->conf };
	CU_ASSERT_EQUAL_FATAL(store_open(&store_conf, &s->store), ERR_OK);
	CU_ASSERT_EQUAL_FATAL(service_listen(&s->service, -1), ERR_OK);
}

void serving_start(struct serving *s)
{
	s->service.store = s->store;
	s->pid = fork();
	if (s->pid == 0)
		_exit(worker_run(&s->service));
	CU_ASSERT_FATAL(s->pid > 0);
}

void serving_leave(struct serving *s, int signal)
{
	int status = -1;

	kill(s->pid, signal);
	CU_ASSERT_EQUAL(waitpid(s->pid, &status, 0), s->pid);
	CU_ASSERT_EQUAL(status, 0);
}

void serving_stop(struct serving *s, int signal)
{
	serving_leave(s, signal);
	service_close_listeners(&s->service);
	store_close(s->store);
}
