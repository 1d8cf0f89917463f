// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's loop and the client library, over a real socket, with a stand-in
 * for the module (fake-module.h) behind them.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/helix_lease.h>

#include "unit.h"

#include "fake-module.h"
#include "listen.h"
#include "server.h"
#include "wire.h"

#define NR_SCANOUTS	15
#define GUARD_MS	20000	/* only against a hang */
#define OTHER_UID	12345

static char dir[] = "/tmp/helix-test-XXXXXX";
static char path[64];

struct fixture {
	struct module *mod;
	struct policy policy;
	server_granted_fn granted;
	pthread_t thread;
	int listen_fd;
	int stop_fd;
	pthread_barrier_t started;
};

static struct fixture fix;

#define wait_until(cond)						\
	do {								\
		int left_ms = GUARD_MS;					\
		while (!(cond) && left_ms--)				\
			usleep(1000);					\
		if (left_ms < 0)					\
			fail_msg("never came true: %s", #cond);		\
	} while (0)

/* ---- a broker ---- */

static int on_stop(sd_event_source *s, int fd, uint32_t revents, void *data)
{
	(void)fd;
	(void)revents;
	(void)data;
	return sd_event_exit(sd_event_source_get_event(s), 0);
}

static void *broker_main(void *data)
{
	struct server *srv = NULL;
	struct hl_error err;
	sd_event *event;

	(void)data;
	if (sd_event_new(&event) < 0 ||
	    sd_event_add_io(event, NULL, fix.stop_fd, POLLIN, on_stop, NULL) < 0 ||
	    server_new(event, fix.listen_fd, fix.mod, &fix.policy, NULL, &srv, &err))
		abort();
	server_on_grant(srv, fix.granted, NULL);
	pthread_barrier_wait(&fix.started);
	sd_event_loop(event);
	server_free(srv);
	sd_event_unref(event);
	return NULL;
}

/* Who connects waits until it runs. */
static void broker_listen(void)
{
	struct hl_error err = { 0 };
	bool ours;

	if (listen_open(path, -1, &fix.listen_fd, &ours, &err))
		fail_msg("%s", err.message);
	chmod(path, 0666);
}

static void broker_run(void)
{
	fix.stop_fd = eventfd(0, EFD_CLOEXEC);
	pthread_barrier_init(&fix.started, NULL, 2);
	assert_int_equal(pthread_create(&fix.thread, NULL, broker_main, NULL), 0);
	pthread_barrier_wait(&fix.started);
}

static void broker_start(void)
{
	broker_listen();
	broker_run();
}

/* Leaves the socket file behind, as a killed broker does. */
static void broker_stop(void)
{
	uint64_t one = 1;

	assert_int_equal(write(fix.stop_fd, &one, sizeof(one)), sizeof(one));
	pthread_join(fix.thread, NULL);
	pthread_barrier_destroy(&fix.started);
	close(fix.stop_fd);
	close(fix.listen_fd);
}

static int setup(void **state)
{
	(void)state;
	fix.mod = fake_module_new(NR_SCANOUTS);
	fix.policy = policy_default;
	fix.granted = NULL;
	broker_start();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	broker_stop();
	hl_module_close(fix.mod);
	unlink(path);
	return 0;
}

/* ---- clients ---- */

static struct hl_conn *connect_client(void)
{
	struct hl_error err = { 0 };
	struct hl_conn *conn;

	if (hl_connect(path, &conn, &err))
		fail_msg("%s", err.message);
	return conn;
}

static struct hl_lease acquire(struct hl_conn *conn, uint32_t scanout)
{
	struct hl_acquire_args args = { .width = 1280, .height = 720, .scanout = scanout,
					.label = "test" };
	struct hl_error err = { 0 };
	struct hl_lease lease;

	if (hl_acquire(conn, &args, &lease, &err))
		fail_msg("%s", err.message);
	return lease;
}

static int try_acquire(struct hl_conn *conn, uint32_t scanout, struct hl_error *err)
{
	struct hl_acquire_args args = { .width = 1280, .height = 720, .scanout = scanout };
	struct hl_lease lease;
	int ret = hl_acquire(conn, &args, &lease, err);

	if (!ret)
		hl_lease_release(&lease);
	return ret;
}

/* A socket without the library, for what the library would not send. */
static int raw_client(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval tv = { .tv_sec = GUARD_MS / 1000 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(addr.sun_path, path);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void raw_send(int fd, const char *text)
{
	assert_int_equal(hl_wire_send(fd, text, strlen(text), NULL, 0, 0), 0);
}

/* The reply, in a static buffer; "" for the end. */
static const char *raw_recv(int fd)
{
	static char buf[HL_WIRE_REPLY_MAX + 1];
	struct hl_wire_msg msg = { .buf = buf, .cap = HL_WIRE_REPLY_MAX };
	int ret = hl_wire_recv(fd, &msg, 0);

	if (ret == -ECONNRESET)
		ret = hl_wire_recv(fd, &msg, 0);
	if (ret)
		fail_msg("no reply: %s", strerror(-ret));
	hl_wire_close_fds(&msg);
	buf[msg.len] = '\0';
	return buf;
}

static void assert_says(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" does not say \"%s\"", text, part);
}

static int run_as(uid_t effective, uid_t saved, int (*body)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (setresgid(effective, effective, effective) ||
		    setresuid(effective, effective, saved) || prctl(PR_SET_DUMPABLE, 1))
			_exit(99);
		_exit(body());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/*
 * Runs @body as another user, in a process of its own; returns what it returns.
 * exec is out of question, so it stays dumpable: the stand-in looks at /proc.
 */
static int as_other_user(int (*body)(void))
{
	return run_as(OTHER_UID, OTHER_UID, body);
}

/* The same, of one who can become root: in the place of a program that is set-uid. */
static int as_one_who_becomes_root(int (*body)(void))
{
	return run_as(OTHER_UID, 0, body);
}

#define need_root()							\
	do {								\
		if (geteuid())						\
			skip();						\
	} while (0)

/* ---- leases ---- */

static void a_lease_is_told_whole_and_ends_with_its_handle(void **state)
{
	struct hl_conn *conn = connect_client();
	struct hl_lease lease = acquire(conn, 7);
	struct hl_scanout scanout;

	(void)state;
	assert_int_equal(lease.scanout, 7);
	assert_int_equal(lease.width, 1280);
	assert_int_equal(lease.refresh_mhz, 60000);
	assert_int_equal(lease.connector_id, 37);
	assert_int_equal(lease.crtc_id, 67);
	assert_int_equal(lease.primary_plane_id, 97);
	assert_string_equal(lease.node, "/dev/helix/scanout7");
	assert_int_equal(hl_query(conn, 7, &scanout, NULL), 0);
	assert_int_equal(scanout.state, HELIX_LEASE_STATE_LEASED);
	assert_int_equal(scanout.generation, lease.generation);
	assert_int_equal(scanout.owner_pid, getpid());
	assert_string_equal(scanout.label, "test");

	hl_lease_release(&lease);
	/* The broker has kept no copy, so this close was the last. */
	wait_until(fake_module_leased(fix.mod) == 0);
	hl_close(conn);
}

static void the_sixteenth_is_refused_and_a_freed_one_goes_again(void **state)
{
	struct hl_conn *conn = connect_client();
	struct hl_lease leases[NR_SCANOUTS];
	struct hl_error err;

	(void)state;
	for (int i = 0; i < NR_SCANOUTS; i++)
		leases[i] = acquire(conn, 0);
	assert_int_equal(try_acquire(conn, 0, &err), -ENOSPC);
	assert_string_equal(err.message, "acquire: every scanout is taken");
	assert_int_equal(try_acquire(conn, 3, &err), -EBUSY);
	assert_string_equal(err.message, "acquire: scanout 3 is taken");
	assert_int_equal(try_acquire(conn, 16, &err), -EINVAL);
	assert_string_equal(err.message, "acquire: there is no scanout 16");
	hl_lease_release(&leases[2]);
	leases[2] = acquire(conn, 0);
	assert_int_equal(leases[2].scanout, 3);
	for (int i = 0; i < NR_SCANOUTS; i++)
		hl_lease_release(&leases[i]);
	hl_close(conn);
}

static void a_restarted_broker_knows_every_lease(void **state)
{
	struct hl_conn *conn = connect_client();
	struct hl_lease leases[4];
	struct hl_scanout *list;
	size_t n;

	(void)state;
	for (int i = 0; i < 4; i++)
		leases[i] = acquire(conn, 0);
	broker_stop();
	assert_true(hl_list(conn, &list, &n, NULL) < 0);
	hl_close(conn);
	assert_int_equal(fake_module_leased(fix.mod), 4);

	broker_start();
	conn = connect_client();
	assert_int_equal(hl_list(conn, &list, &n, NULL), 0);
	assert_int_equal(n, NR_SCANOUTS);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(list[i].state, HELIX_LEASE_STATE_LEASED);
		assert_int_equal(list[i].generation, leases[i].generation);
	}
	assert_int_equal(list[4].state, HELIX_LEASE_STATE_FREE);
	free(list);
	assert_int_equal(hl_revoke(conn, 2, leases[1].generation, 0, NULL), 0);
	assert_int_equal(fake_module_leased(fix.mod), 3);
	for (int i = 0; i < 4; i++)
		hl_lease_release(&leases[i]);
	hl_close(conn);
}

static void a_stale_generation_hits_nobody(void **state)
{
	struct hl_conn *conn = connect_client();
	struct hl_lease old = acquire(conn, 5), lease;
	struct hl_error err;

	(void)state;
	hl_lease_release(&old);
	lease = acquire(conn, 5);
	assert_int_equal(hl_revoke(conn, 5, old.generation, 0, &err), -ESTALE);
	assert_says(err.message, "is not the present one, 2");
	assert_int_equal(hl_revoke(conn, 5, lease.generation + 1, 0, &err), -ESTALE);
	assert_int_equal(fake_module_leased(fix.mod), 1);
	assert_int_equal(hl_revoke(conn, 16, 1, 0, &err), -EINVAL);
	assert_int_equal(hl_revoke(conn, 5, lease.generation, 0, &err), 0);
	assert_int_equal(fake_module_leased(fix.mod), 0);
	hl_lease_release(&lease);
	hl_close(conn);
}

static void a_resize_is_of_this_lease_or_of_none(void **state)
{
	struct hl_conn *conn = connect_client();
	struct hl_lease old = acquire(conn, 5), lease;
	struct hl_resize_args args = { .scanout = 5, .generation = old.generation, .width = 800,
				       .height = 600, .refresh_mhz = 59940 };
	struct hl_scanout scanout;
	struct hl_error err;

	(void)state;
	assert_int_equal(hl_resize(conn, &args, &err), 0);
	assert_int_equal(hl_query(conn, 5, &scanout, NULL), 0);
	assert_int_equal(scanout.width, 800);
	assert_int_equal(scanout.height, 600);
	assert_int_equal(scanout.refresh_mhz, 59940);
	hl_lease_release(&old);
	assert_int_equal(hl_resize(conn, &args, &err), -ESTALE);
	assert_says(err.message, "is over, it is free");
	lease = acquire(conn, 5);
	assert_int_equal(hl_resize(conn, &args, &err), -ESTALE);
	assert_says(err.message, "resize: generation 1 of scanout 5 is not the present one, 2");
	args.scanout = 16;
	assert_int_equal(hl_resize(conn, &args, &err), -EINVAL);
	args = (struct hl_resize_args) { .scanout = 5, .generation = lease.generation,
					 .width = 16385, .height = 1 };
	assert_int_equal(hl_resize(conn, &args, &err), -EINVAL);
	assert_string_equal(err.message, "resize: width 16385 is not in 1..16384");
	args.width = 1;
	fake_module_fail(fix.mod, EHOSTUNREACH);
	assert_int_equal(hl_resize(conn, &args, &err), -EHOSTUNREACH);
	assert_string_equal(err.message, "resize: the host refused 1x1");
	/* By the handle, which is a pipe here. */
	assert_int_equal(hl_lease_resize(&lease, 0, 1, 0, 0, &err), -EINVAL);
	assert_int_equal(hl_lease_resize(&lease, 1, 1, 0, 0, &err), -EOPNOTSUPP);
	assert_int_equal(lease.width, 1280);
	hl_lease_release(&lease);
	hl_close(conn);
}

/* The handle stays open here all the time. */
static void a_lease_ends_with_the_process_of_its_pidfd(void **state)
{
	struct hl_acquire_args args = { .width = 1, .height = 1, .flags = HL_ACQUIRE_PIDFD };
	struct hl_conn *conn = connect_client();
	struct hl_scanout scanout;
	struct hl_lease lease;
	struct hl_error err;
	pid_t pid = fork();

	(void)state;
	if (!pid) {
		pause();
		_exit(0);
	}
	args.pidfd = syscall(SYS_pidfd_open, pid, 0);
	assert_true(args.pidfd >= 0);
	assert_int_equal(hl_acquire(conn, &args, &lease, &err), 0);
	assert_int_equal(fake_module_leased(fix.mod), 1);
	/* Whoever asks for a process of his own, or is root, has it as the owner. */
	assert_int_equal(hl_query(conn, lease.scanout, &scanout, &err), 0);
	assert_int_equal(scanout.owner_pid, pid);
	/* What stands in for the module has no handles to keep anything. */
	assert_int_equal(hl_lease_keep(&lease, &err), -EOPNOTSUPP);
	kill(pid, SIGKILL);
	wait_until(fake_module_leased(fix.mod) == 0);
	hl_lease_release(&lease);
	assert_int_equal(waitpid(pid, NULL, 0), pid);

	assert_int_equal(hl_acquire(conn, &args, &lease, &err), -ESRCH);
	assert_says(err.message, "the process that the lease is to end with is gone");
	close(args.pidfd);
	args.pidfd = open("/dev/null", O_RDONLY);
	assert_int_equal(hl_acquire(conn, &args, &lease, &err), -EBADF);
	close(args.pidfd);
	args.pidfd = -1;
	assert_int_equal(hl_acquire(conn, &args, &lease, &err), -EBADF);
	hl_close(conn);
}

static void a_lease_of_one_cgroup_is_asked_of_the_module(void **state)
{
	struct hl_acquire_args args = { .width = 1, .height = 1, .flags = HL_ACQUIRE_CGROUP };
	struct hl_conn *conn = connect_client();
	struct helix_lease_query query = { .size = sizeof(query) };
	struct hl_scanout scanout;
	struct hl_lease lease;
	struct hl_error err;

	(void)state;
	assert_int_equal(hl_acquire(conn, &args, &lease, &err), 0);
	query.scanout = lease.scanout;
	assert_int_equal(fix.mod->ops->query(fix.mod, &query), 0);
	assert_int_equal(query.acquire_flags, HELIX_LEASE_ACQUIRE_CGROUP);
	assert_int_equal(hl_query(conn, lease.scanout, &scanout, &err), 0);
	assert_int_equal(scanout.cgroup_alone, 1);
	hl_lease_release(&lease);
	fake_module_fail(fix.mod, ENOENT);
	assert_int_equal(hl_acquire(conn, &args, &lease, &err), -ENOENT);
	assert_says(err.message, "no control group");
	hl_close(conn);
}

static void a_pidfd_comes_with_the_word_and_the_word_with_a_pidfd(void **state)
{
	static const char without[] = "{\"op\":\"acquire\",\"width\":1,\"height\":1}";
	static const char with[] = "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"pidfd\":true}";
	int fd = raw_client();
	int fds[2] = { open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY) };

	(void)state;
	assert_int_equal(hl_wire_send(fd, without, strlen(without), fds, 1, 0), 0);
	assert_says(raw_recv(fd), "no descriptor is expected");
	raw_send(fd, with);
	assert_says(raw_recv(fd), "pidfd is true, and 0 descriptors came");
	assert_int_equal(hl_wire_send(fd, with, strlen(with), fds, 2, 0), 0);
	assert_says(raw_recv(fd), "pidfd is true, and 2 descriptors came");
	assert_int_equal(fake_module_leased(fix.mod), 0);
	close(fds[0]);
	close(fds[1]);
	close(fd);
}

static int open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* The broker is a thread of this process, so what it kept would be counted. */
static void the_broker_keeps_no_descriptor_of_a_client(void **state)
{
	struct hl_acquire_args args = { .width = 1, .height = 1, .flags = HL_ACQUIRE_PIDFD };
	struct hl_conn *conn = connect_client();
	struct hl_lease lease;
	int before;

	(void)state;
	args.pidfd = syscall(SYS_pidfd_open, getpid(), 0);
	fake_module_fail(fix.mod, ENOSPC);
	before = open_fds();
	for (int i = 0; i < 6; i++)
		assert_int_equal(hl_acquire(conn, &args, &lease, NULL), -ENOSPC);
	wait_until(open_fds() == before);
	close(args.pidfd);
	hl_close(conn);
}

static void unbind_is_the_modules_own(void **state)
{
	struct hl_conn *conn = connect_client();
	struct hl_lease lease = acquire(conn, 1);
	struct hl_error err;
	struct hl_info info;

	(void)state;
	assert_int_equal(hl_unbind(conn, 1, 0, &err), -EOPNOTSUPP);
	assert_int_equal(hl_module_unbind(fix.mod, false, 0, &err), -EBUSY);
	assert_string_equal(err.message, "unbind: a scanout is in use");
	assert_int_equal(fake_module_leased(fix.mod), 1);
	assert_int_equal(hl_module_unbind(fix.mod, true, 0, &err), 0);
	assert_int_equal(hl_get_info(conn, &info, NULL), 0);
	assert_int_equal(info.nr_scanouts, 0);
	hl_lease_release(&lease);
	hl_close(conn);
}

static void the_modules_error_reaches_the_client(void **state)
{
	static const int codes[] = { EHOSTDOWN, EHOSTUNREACH, ENODEV, ETIMEDOUT, ENOMEM };
	struct hl_conn *conn = connect_client();
	struct hl_error err;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		fake_module_fail(fix.mod, codes[i]);
		assert_int_equal(try_acquire(conn, 0, &err), -codes[i]);
		assert_int_equal(err.code, codes[i]);
		assert_says(err.message, "acquire: ");
	}
	fake_module_fail(fix.mod, 0);
	assert_int_equal(try_acquire(conn, 0, &err), 0);
	hl_close(conn);
}

static void a_list_longer_than_a_page_is_whole(void **state)
{
	struct module *small = fix.mod;
	struct hl_scanout *list;
	struct hl_conn *conn;
	size_t n;

	(void)state;
	broker_stop();
	fix.mod = fake_module_new(100);
	broker_start();
	conn = connect_client();
	assert_int_equal(hl_list(conn, &list, &n, NULL), 0);
	assert_int_equal(n, 100);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(list[i].scanout, i + 1);
	free(list);
	hl_close(conn);
	hl_module_close(small);
}

/* ---- waiting ---- */

static const char acquire_text[] = "{\"op\":\"acquire\",\"width\":800,\"height\":600}";

static void one_that_waits_blocks_nobody_else(void **state)
{
	struct hl_conn *conn = connect_client();
	struct hl_info info;
	int waiter = raw_client();

	(void)state;
	fake_module_hold(fix.mod, true);
	raw_send(waiter, acquire_text);
	wait_until(fake_module_waiting(fix.mod) == 1);
	assert_int_equal(hl_get_info(conn, &info, NULL), 0);
	assert_int_equal(info.nr_scanouts, NR_SCANOUTS);
	assert_int_equal(fake_module_waiting(fix.mod), 1);
	fake_module_hold(fix.mod, false);
	assert_says(raw_recv(waiter), "\"ok\":true");
	close(waiter);
	hl_close(conn);
}

static void a_client_that_goes_while_waiting_leaves_no_lease(void **state)
{
	int waiters[8];

	(void)state;
	fake_module_hold(fix.mod, true);
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++) {
		waiters[i] = raw_client();
		raw_send(waiters[i], acquire_text);
	}
	wait_until(fake_module_waiting(fix.mod) == ARRAY_SIZE(waiters));
	for (size_t i = 0; i < ARRAY_SIZE(waiters); i++)
		close(waiters[i]);
	/* The wait itself ends, not only its result. */
	wait_until(fake_module_waiting(fix.mod) == 0);
	assert_int_equal(fake_module_interrupted(fix.mod), ARRAY_SIZE(waiters));
	assert_int_equal(fake_module_leased(fix.mod), 0);
	fake_module_hold(fix.mod, false);
	assert_int_equal(fake_module_leased(fix.mod), 0);
}

static void a_client_that_goes_before_it_reads_leaves_no_lease(void **state)
{
	int fd = raw_client();

	(void)state;
	raw_send(fd, acquire_text);
	wait_until(fake_module_leased(fix.mod) == 1);
	close(fd);
	wait_until(fake_module_leased(fix.mod) == 0);
}

static atomic_int granting, was_interrupted;

static bool take_time(void *data, uint32_t scanout)
{
	const struct timespec some = { .tv_nsec = 300000000 };

	(void)data;
	(void)scanout;
	granting = 1;
	was_interrupted = nanosleep(&some, NULL) ? 1 : -1;
	return true;
}

/* Input devices are renewed then, for others as well. */
static void nor_interrupts_what_is_done_before_it_is_told(void **state)
{
	int fd;

	(void)state;
	broker_stop();
	fix.granted = take_time;
	broker_start();
	fd = raw_client();
	raw_send(fd, acquire_text);
	wait_until(granting);
	close(fd);
	wait_until(was_interrupted);
	assert_int_equal(was_interrupted, -1);
	wait_until(fake_module_leased(fix.mod) == 0);
}

static bool refuse(void *data, uint32_t scanout)
{
	(void)data;
	return scanout != 1;
}

static void one_whose_input_is_anothers_is_not_given(void **state)
{
	struct hl_conn *conn;
	struct hl_error err;

	(void)state;
	broker_stop();
	fix.granted = refuse;
	broker_start();
	conn = connect_client();
	assert_int_equal(try_acquire(conn, 1, &err), -ETIMEDOUT);
	assert_says(err.message, "who had scanout 1 before may still hear its input");
	wait_until(fake_module_leased(fix.mod) == 0);
	assert_int_equal(try_acquire(conn, 2, &err), 0);
	hl_close(conn);
}

static void a_broker_that_ends_takes_what_was_waiting_with_it(void **state)
{
	int fd = raw_client();

	(void)state;
	fake_module_hold(fix.mod, true);
	raw_send(fd, acquire_text);
	wait_until(fake_module_waiting(fix.mod) == 1);
	broker_stop();
	assert_int_equal(fake_module_waiting(fix.mod), 0);
	assert_string_equal(raw_recv(fd), "");
	fake_module_hold(fix.mod, false);
	assert_int_equal(fake_module_leased(fix.mod), 0);
	close(fd);
	broker_start();
}

static void a_second_request_waits_for_the_first_ones_reply(void **state)
{
	int fd = raw_client();

	(void)state;
	fake_module_hold(fix.mod, true);
	raw_send(fd, acquire_text);
	raw_send(fd, "{\"op\":\"info\"}");
	wait_until(fake_module_waiting(fix.mod) == 1);
	fake_module_hold(fix.mod, false);
	assert_says(raw_recv(fd), "\"scanout\":1");
	assert_says(raw_recv(fd), "\"nr_scanouts\":15");
	close(fd);
}

static void too_many_waiting_are_told_to_come_again(void **state)
{
	int fds[40];
	unsigned int i;

	(void)state;
	fake_module_hold(fix.mod, true);
	for (i = 0; i < fix.policy.waiting; i++) {
		fds[i] = raw_client();
		raw_send(fds[i], acquire_text);
	}
	wait_until(fake_module_waiting(fix.mod) == fix.policy.waiting);
	fds[i] = raw_client();
	raw_send(fds[i], acquire_text);
	assert_says(raw_recv(fds[i]), "EAGAIN");
	for (i = 0; i <= fix.policy.waiting; i++)
		close(fds[i]);
	wait_until(fake_module_waiting(fix.mod) == 0);
	fake_module_hold(fix.mod, false);
}

static void a_timeout_is_the_clients(void **state)
{
	int fd = raw_client();

	(void)state;
	fake_module_hold(fix.mod, true);
	raw_send(fd, "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"timeout_ms\":5}");
	assert_says(raw_recv(fd), "ETIMEDOUT");
	fake_module_hold(fix.mod, false);
	close(fd);
}

/* ---- bad clients ---- */

static void the_sixty_fifth_client_is_told_why(void **state)
{
	unsigned int limit = fix.policy.clients;
	struct hl_conn *conns[64], *one_more;
	struct hl_error err;

	(void)state;
	assert_int_equal(limit, ARRAY_SIZE(conns));
	for (unsigned int i = 0; i < limit; i++)
		conns[i] = connect_client();
	for (int i = 0; i < 20; i++) {
		assert_int_equal(hl_connect(path, &one_more, &err), -EUSERS);
		assert_says(err.message, "64 clients are connected");
	}
	hl_close(conns[0]);
	/* Its place is free once the broker has seen it go. */
	wait_until(!hl_connect(path, &conns[0], &err));
	for (unsigned int i = 0; i < limit; i++)
		hl_close(conns[i]);
}

static void an_oversized_packet_is_refused_and_the_next_one_served(void **state)
{
	char big[HL_WIRE_REQUEST_MAX + 1];
	int fd = raw_client();

	(void)state;
	memset(big, ' ', sizeof(big));
	assert_int_equal(hl_wire_send(fd, big, sizeof(big), NULL, 0, 0), 0);
	assert_says(raw_recv(fd), "request: longer than 4096 bytes");
	memcpy(big, "{\"op\":\"info\"}", 13);
	assert_int_equal(hl_wire_send(fd, big, sizeof(big) - 1, NULL, 0, 0), 0);
	assert_says(raw_recv(fd), "\"ok\":true");
	close(fd);
}

static void a_malformed_request_is_answered_with_what_was_wrong(void **state)
{
	int fd = raw_client();

	(void)state;
	raw_send(fd, "{\"op\":\"acquire\",\"width\":0,\"height\":1}");
	assert_string_equal(raw_recv(fd),
			    "{\"ok\":false,\"error\":{\"code\":\"EINVAL\","
			    "\"message\":\"acquire: width 0 is not in 1..16384\"}}");
	raw_send(fd, "\"\\");
	assert_says(raw_recv(fd), "request: ");
	close(fd);
}

static void descriptors_from_a_client_are_refused_and_closed(void **state)
{
	int fd = raw_client();
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(hl_wire_send(fd, "{\"op\":\"info\"}", 13, &fds[1], 1, 0), 0);
	close(fds[1]);
	assert_says(raw_recv(fd), "no descriptor is expected");
	/* Hung up: the broker holds no copy of the write end. */
	assert_int_equal(poll(&(struct pollfd) { .fd = fds[0] }, 1, GUARD_MS), 1);
	close(fds[0]);
	close(fd);
}

/* A connection whose last close takes a minute, as nobody reads at its other end, @peer. */
static int lingering(int *peer)
{
	static const char bytes[1 << 16];
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger linger = { .l_onoff = 1, .l_linger = 60 };
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);

	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	*peer = accept(listener, NULL, NULL);
	assert_true(*peer >= 0);
	close(listener);
	while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	return fd;
}

#define LINGERING	4

/* To a broker that does not read now: it is the last who holds them then. */
static void send_lingering(int fd, const char *text, int peers[LINGERING])
{
	for (int i = 0; i < LINGERING; i++) {
		int sent = lingering(&peers[i]);

		assert_int_equal(hl_wire_send(fd, text, strlen(text), &sent, 1, 0), 0);
		close(sent);
	}
}

static void expect_served(int peers[LINGERING])
{
	hl_close(connect_client());
	for (int i = 0; i < LINGERING; i++)
		close(peers[i]);
}

static void what_a_client_has_sent_is_closed_while_others_are_served(void **state)
{
	static const char *const texts[] = {
		"{\"op\":\"info\"}",
		"{\"op\":\"acquire\",\"width\":1,\"height\":1,\"pidfd\":true}",
	};
	int peers[LINGERING];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int fd = raw_client();

		fake_module_hold(fix.mod, true);
		raw_send(fd, acquire_text);
		wait_until(fake_module_waiting(fix.mod) == 1);
		send_lingering(fd, texts[i], peers);
		fake_module_hold(fix.mod, false);
		assert_says(raw_recv(fd), "\"ok\":true");
		for (int j = 0; j < LINGERING; j++)
			assert_says(raw_recv(fd), "\"ok\":false");
		expect_served(peers);
		close(fd);
	}
}

static void what_nobody_has_read_is_closed_while_others_are_served(void **state)
{
	int peers[LINGERING], fd = raw_client();

	(void)state;
	fake_module_hold(fix.mod, true);
	raw_send(fd, acquire_text);
	wait_until(fake_module_waiting(fix.mod) == 1);
	send_lingering(fd, "{}", peers);
	close(fd);
	wait_until(fake_module_waiting(fix.mod) == 0);
	expect_served(peers);
	fake_module_hold(fix.mod, false);
}

static void what_one_who_is_turned_away_has_sent_is_closed_while_others_are_served(void **state)
{
	int peers[LINGERING], first, fd;

	(void)state;
	broker_stop();
	broker_listen();
	fix.policy.clients = 1;
	first = raw_client();
	fd = raw_client();
	send_lingering(fd, "{}", peers);
	broker_run();
	assert_says(raw_recv(fd), "no more are served");
	close(fd);
	raw_send(first, "{\"op\":\"info\"}");
	assert_says(raw_recv(first), "\"nr_scanouts\":15");
	for (int i = 0; i < LINGERING; i++)
		close(peers[i]);
	close(first);
}

static void a_client_that_never_reads_is_dropped_and_others_served(void **state)
{
	struct hl_conn *conn;
	struct hl_info info;
	int fd = raw_client();
	int ret = 0;

	(void)state;
	for (int i = 0; i < 100000 && !ret; i++)
		ret = hl_wire_send(fd, "{\"op\":\"list\"}", 13, NULL, 0, 0);
	assert_true(ret == -EPIPE || ret == -ECONNRESET);
	conn = connect_client();
	assert_int_equal(hl_get_info(conn, &info, NULL), 0);
	hl_close(conn);
	close(fd);
}

static void an_idle_client_is_dropped_with_a_word(void **state)
{
	int fd;

	(void)state;
	broker_stop();
	fix.policy.idle_ms = 20;
	broker_start();
	fd = raw_client();
	assert_says(raw_recv(fd), "nothing was asked for 20 ms");
	assert_string_equal(raw_recv(fd), "");
	close(fd);
}

static void waiting_is_not_idling(void **state)
{
	int fd;

	(void)state;
	broker_stop();
	fix.policy.idle_ms = 20;
	broker_start();
	fake_module_hold(fix.mod, true);
	fd = raw_client();
	raw_send(fd, acquire_text);
	wait_until(fake_module_waiting(fix.mod) == 1);
	usleep(100000);
	fake_module_hold(fix.mod, false);
	assert_says(raw_recv(fd), "\"ok\":true");
	close(fd);
}

/* ---- users ---- */

static int take_until_refused(void)
{
	struct hl_acquire_args args = { .width = 640, .height = 480 };
	struct hl_lease lease;
	struct hl_conn *conn;
	struct hl_error err;
	int n = 0;

	if (hl_connect(path, &conn, &err))
		return 90;
	while (!hl_acquire(conn, &args, &lease, &err))
		n++;
	hl_close(conn);
	return err.code == EDQUOT ? n : 91;
}

static void set_quota(unsigned int max_per_uid)
{
	struct hl_policy policy = { .mask = HELIX_LEASE_POLICY_MAX_PER_UID,
				    .max_per_uid = max_per_uid };

	assert_int_equal(hl_module_policy(fix.mod, &policy, NULL), 0);
}

static void a_user_gets_as_many_as_its_quota_and_root_more(void **state)
{
	struct hl_conn *conn;
	struct hl_lease leases[4];

	(void)state;
	need_root();
	set_quota(3);
	assert_int_equal(as_other_user(take_until_refused), 3);
	conn = connect_client();
	for (int i = 0; i < 4; i++)
		leases[i] = acquire(conn, 0);
	for (int i = 0; i < 4; i++)
		hl_lease_release(&leases[i]);
	hl_close(conn);
}

static int take_as_root(void)
{
	struct hl_acquire_args args = { .width = 640, .height = 480 };
	struct hl_lease lease;
	struct hl_conn *conn;
	struct hl_error err;

	if (hl_connect(path, &conn, &err) || setresuid(0, 0, 0))
		return 90;
	if (hl_acquire(conn, &args, &lease, &err) != -EPERM || !strstr(err.message, "is another user's"))
		return 91;
	hl_close(conn);
	return 0;
}

/* The module looks at the process when it grants, and it connected before. */
static void nor_is_it_counted_for_whom_its_process_has_become(void **state)
{
	(void)state;
	need_root();
	set_quota(3);
	assert_int_equal(as_one_who_becomes_root(take_as_root), 0);
	wait_until(fake_module_leased(fix.mod) == 0);
}

static void what_a_user_got_elsewhere_counts_as_well(void **state)
{
	int handle;

	(void)state;
	need_root();
	set_quota(3);
	handle = fake_module_give(fix.mod, 9, OTHER_UID);
	assert_true(handle >= 0);
	assert_int_equal(as_other_user(take_until_refused), 2);
	close(handle);
}

/* Root's lease is generation 1 here, which this user has to guess. */
static int revoke_first_two(void)
{
	struct hl_scanout scanout;
	struct hl_conn *conn;
	int first, second;

	if (hl_connect(path, &conn, NULL))
		return 90;
	first = hl_revoke(conn, 1, 1, 0, NULL);
	if (hl_query(conn, 2, &scanout, NULL))
		return 91;
	second = hl_revoke(conn, 2, scanout.generation, 0, NULL);
	hl_close(conn);
	return first == -EACCES && second == 0 ? 0 : 92;
}

static int resize_first_two(void)
{
	struct hl_resize_args args = { .scanout = 1, .generation = 1, .width = 100, .height = 50 };
	struct hl_scanout scanout;
	struct hl_conn *conn;
	struct hl_error err;

	if (hl_connect(path, &conn, NULL) || hl_resize(conn, &args, &err) != -EACCES ||
	    !strstr(err.message, "scanout 1 is another user's"))
		return 90;
	args.scanout = args.generation = 2;
	if (hl_resize(conn, &args, NULL) || hl_query(conn, 2, &scanout, NULL))
		return 91;
	hl_close(conn);
	return scanout.width == 100 && scanout.height == 50 ? 0 : 92;
}

static void a_user_may_resize_its_own_and_no_others(void **state)
{
	int root = fake_module_give(fix.mod, 1, 0);
	int own = fake_module_give(fix.mod, 2, OTHER_UID);

	(void)state;
	need_root();
	assert_int_equal(as_other_user(resize_first_two), 0);
	close(root);
	close(own);
}

/* What may be known of a scanout: of this one all, of that one nothing but that it is leased. */
static int check_shown(const struct hl_scanout *own, const struct hl_scanout *other)
{
	if (own->hidden || own->owner_uid != OTHER_UID || own->generation != 2 ||
	    own->width != 640 || own->wait_name[0] != 'v')
		return 1;
	if (!other->hidden || other->state != HELIX_LEASE_STATE_LEASED || other->generation ||
	    other->width || other->height || other->refresh_mhz || other->opens ||
	    other->owner_pid || other->owner_uid != UINT32_MAX || other->owner_cgroup ||
	    other->state_ms || other->lease_ms || other->priority || other->grants ||
	    other->stalled_ms || other->stalls || other->label[0] || other->wait_name[0])
		return 2;
	return strcmp(other->node, "/dev/helix/scanout1") ? 3 : 0;
}

static int look_around(void)
{
	struct hl_scanout own, other, *list;
	struct hl_conn *conn;
	size_t n;
	int ret;

	if (hl_connect(path, &conn, NULL) || hl_query(conn, 1, &other, NULL) ||
	    hl_query(conn, 2, &own, NULL) || hl_list(conn, &list, &n, NULL))
		return 90;
	ret = check_shown(&own, &other);
	if (!ret)
		ret = check_shown(&list[1], &list[0]) * 10;
	free(list);
	hl_close(conn);
	return ret;
}

static void others_see_that_a_scanout_is_taken_and_no_more(void **state)
{
	int root = fake_module_give(fix.mod, 1, 0);
	int own = fake_module_give(fix.mod, 2, OTHER_UID);
	struct hl_conn *conn = connect_client();
	struct hl_scanout scanout;

	(void)state;
	need_root();
	fake_module_stall(fix.mod, 1, 1234, "virtio_gpu-control-7");
	fake_module_stall(fix.mod, 2, 1234, "virtio_gpu-control-8");
	assert_int_equal(as_other_user(look_around), 0);
	assert_int_equal(hl_query(conn, 1, &scanout, NULL), 0);
	assert_int_equal(scanout.hidden, 0);
	assert_int_equal(scanout.stalled_ms, 1234);
	assert_string_equal(scanout.wait_name, "virtio_gpu-control-7");
	hl_close(conn);
	close(root);
	close(own);
}

static int set_policy_code(void)
{
	struct hl_policy policy = { .mask = HELIX_LEASE_POLICY_GRACE_MS, .grace_ms = 5 };
	struct hl_conn *conn;
	struct hl_error err;

	if (hl_connect(path, &conn, NULL) || hl_set_policy(conn, &policy, &err) != -EACCES)
		return 90;
	if (hl_get_policy(conn, &policy, NULL))
		return 91;
	hl_close(conn);
	return policy.mask || policy.grace_ms != 7000;
}

static void anybody_may_read_the_policy_and_root_may_set_it(void **state)
{
	struct hl_policy policy = { .mask = HELIX_LEASE_POLICY_GRACE_MS | HELIX_LEASE_POLICY_WHO,
				    .who = HELIX_LEASE_WHO_GROUP, .gid = 44, .grace_ms = 7000,
				    .max_per_uid = 99 };
	struct hl_conn *conn = connect_client();
	struct hl_error err;

	(void)state;
	need_root();
	assert_int_equal(hl_set_policy(conn, &policy, NULL), 0);
	assert_int_equal(policy.mask, 0);
	assert_int_equal(policy.who, HELIX_LEASE_WHO_GROUP);
	assert_int_equal(policy.gid, 44);
	assert_int_equal(policy.grace_ms, 7000);
	assert_int_equal(policy.max_per_uid, 0);	/* not in the mask */
	assert_int_equal(as_other_user(set_policy_code), 0);
	policy = (struct hl_policy) { .mask = HELIX_LEASE_POLICY_GRACE_MS, .grace_ms = 600001 };
	assert_int_equal(hl_set_policy(conn, &policy, &err), -EINVAL);
	assert_says(err.message, "grace_ms 600001 is not in 0..600000");
	hl_close(conn);
}

static int acquire_priority(void)
{
	struct hl_acquire_args args = { .width = 1, .height = 1, .priority = 128 };
	struct hl_scanout scanout;
	struct hl_lease lease;
	struct hl_conn *conn;

	if (hl_connect(path, &conn, NULL) || hl_acquire(conn, &args, &lease, NULL) != -EPERM)
		return 90;
	args.priority = 127;
	if (hl_acquire(conn, &args, &lease, NULL) ||
	    hl_query(conn, lease.scanout, &scanout, NULL))
		return 91;
	hl_close(conn);
	return scanout.priority != 127;
}

static void the_highest_priorities_are_roots(void **state)
{
	struct hl_acquire_args args = { .width = 1, .height = 1, .priority = 255 };
	struct hl_conn *conn = connect_client();
	struct hl_lease lease;

	(void)state;
	need_root();
	assert_int_equal(as_other_user(acquire_priority), 0);
	assert_int_equal(hl_acquire(conn, &args, &lease, NULL), 0);
	hl_lease_release(&lease);
	hl_close(conn);
}

static void a_user_may_revoke_its_own_and_no_others(void **state)
{
	int root = fake_module_give(fix.mod, 1, 0);
	int own = fake_module_give(fix.mod, 2, OTHER_UID);

	(void)state;
	need_root();
	assert_int_equal(as_other_user(revoke_first_two), 0);
	assert_int_equal(fake_module_leased(fix.mod), 1);
	close(root);
	close(own);
}

static int connect_code(void)
{
	struct hl_conn *conn;

	return -hl_connect(path, &conn, NULL);
}

static void a_user_outside_the_allowed_group_is_turned_away(void **state)
{
	(void)state;
	need_root();
	broker_stop();
	fix.policy.allowed[fix.policy.nr_allowed++] = OTHER_UID + 1;
	broker_start();
	assert_int_equal(as_other_user(connect_code), EACCES);
	broker_stop();
	fix.policy.allowed[0] = OTHER_UID;
	broker_start();
	assert_int_equal(as_other_user(connect_code), 0);
}

/* ---- old and new ---- */

/* Word for word what the first version's clients send. */
static void a_client_of_the_first_version_is_served_as_before(void **state)
{
	int fd = raw_client();

	(void)state;
	raw_send(fd, "{\"op\":\"hello\",\"version\":1}");
	assert_says(raw_recv(fd), "\"ok\":true");
	raw_send(fd, "{\"op\":\"hello\",\"version\":1}");
	assert_says(raw_recv(fd), "\"version\":1");
	raw_send(fd, "{\"op\":\"acquire\",\"width\":1280,\"height\":720,\"refresh_mhz\":0,"
		 "\"scanout\":4,\"timeout_ms\":0}");
	assert_says(raw_recv(fd), "\"scanout\":4,\"generation\":1,");
	raw_send(fd, "{\"op\":\"query\",\"scanout\":4}");
	assert_says(raw_recv(fd), "\"state\":\"free\"");	/* raw_recv() closed the handle */
	close(fd);
}

static void a_client_of_the_future_is_told_what_is_spoken_here(void **state)
{
	int fd = raw_client();

	(void)state;
	raw_send(fd, "{\"op\":\"hello\",\"version\":77}");
	assert_says(raw_recv(fd), "\"version\":3");
	close(fd);
}

static void answer(int sock, const char *expected, const char *reply)
{
	char buf[HL_WIRE_REQUEST_MAX + 1];
	struct hl_wire_msg msg = { .buf = buf, .cap = HL_WIRE_REQUEST_MAX };

	if (hl_wire_recv(sock, &msg, 0))
		_exit(80);
	buf[msg.len] = '\0';
	if (strcmp(buf, expected)) {
		fprintf(stderr, "expected %s, got %s\n", expected, buf);
		_exit(81);
	}
	hl_wire_send(sock, reply, strlen(reply), NULL, 0, 0);
}

/* What the broker of the first version answered, recorded. */
static void first_version_broker(int listener)
{
	int sock = accept(listener, NULL, NULL);

	alarm(GUARD_MS / 1000);
	answer(sock, "{\"op\":\"hello\",\"version\":3}",
	       "{\"ok\":false,\"error\":{\"code\":\"EPROTO\",\"message\":"
	       "\"hello: version 3 is not spoken here, 1 is\"}}");
	answer(sock, "{\"op\":\"hello\",\"version\":1}",
	       "{\"version\":1,\"server\":\"helix-leased 0.1.0\",\"ok\":true}");
	answer(sock, "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"refresh_mhz\":0,"
	       "\"scanout\":0,\"timeout_ms\":0}",
	       "{\"ok\":false,\"error\":{\"code\":\"ENOSPC\",\"message\":\"taken\"}}");
	answer(sock, "{\"op\":\"query\",\"scanout\":1}",
	       "{\"scanout\":1,\"state\":\"leased\",\"generation\":5,\"width\":640,"
	       "\"height\":480,\"refresh_mhz\":60000,\"wait_for\":\"none\",\"wait_ms\":0,"
	       "\"opens\":1,\"owner_pid\":9,\"owner_uid\":0,\"owner_cgroup\":1,"
	       "\"state_ms\":3,\"grants\":1,\"denials\":0,\"connector_id\":1,\"crtc_id\":2,"
	       "\"primary_plane_id\":3,\"cursor_plane_id\":4,\"gpu\":\"00:02.0\",\"output\":1,"
	       "\"dev_major\":240,\"dev_minor\":1,\"label\":\"x\","
	       "\"node\":\"/dev/helix/scanout1\",\"ok\":true}");
	_exit(0);
}

/* A broker that is nothing but @serve, which does not return, until it is waited for. */
static pid_t start_old_broker(void (*serve)(int listener))
{
	bool ours;
	pid_t pid;
	int fd;

	broker_stop();
	unlink(path);
	assert_int_equal(listen_open(path, -1, &fd, &ours, NULL), 0);
	fcntl(fd, F_SETFL, 0);
	pid = fork();
	if (!pid)
		serve(fd);
	close(fd);
	return pid;
}

static void end_old_broker(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	broker_start();
}

static void a_broker_of_the_first_version_still_serves_what_it_knows(void **state)
{
	struct hl_acquire_args args = { .width = 1, .height = 1 };
	struct hl_resize_args resize = { .scanout = 1, .generation = 5, .width = 1, .height = 1 };
	struct hl_scanout scanout;
	struct hl_policy policy;
	struct hl_lease lease;
	struct hl_conn *conn;
	struct hl_error err;
	pid_t pid = start_old_broker(first_version_broker);

	(void)state;
	assert_int_equal(hl_connect(path, &conn, NULL), 0);
	assert_int_equal(hl_acquire(conn, &args, &lease, NULL), -ENOSPC);
	args.priority = 1;
	assert_int_equal(hl_acquire(conn, &args, &lease, &err), -EOPNOTSUPP);
	assert_string_equal(err.message, "acquire: the broker is too old");
	assert_int_equal(hl_resize(conn, &resize, &err), -EOPNOTSUPP);
	assert_int_equal(hl_get_policy(conn, &policy, &err), -EOPNOTSUPP);
	assert_int_equal(hl_query(conn, 1, &scanout, NULL), 0);
	assert_int_equal(scanout.generation, 5);
	assert_int_equal(scanout.hidden, 0);
	assert_int_equal(scanout.stalls, 0);
	hl_close(conn);
	end_old_broker(pid);
}

static void second_version_broker(int listener)
{
	int sock = accept(listener, NULL, NULL);

	alarm(GUARD_MS / 1000);
	answer(sock, "{\"op\":\"hello\",\"version\":3}",
	       "{\"version\":2,\"server\":\"helix-leased 0.1.0\",\"ok\":true}");
	answer(sock, "{\"op\":\"acquire\",\"width\":1,\"height\":1,\"refresh_mhz\":0,"
	       "\"scanout\":0,\"timeout_ms\":0,\"end_on_close\":true}",
	       "{\"ok\":false,\"error\":{\"code\":\"ENOSPC\",\"message\":\"taken\"}}");
	_exit(0);
}

/* Never without: whoever asks for it relies on it. */
static void a_broker_of_the_second_version_is_not_asked_for_a_cgroup(void **state)
{
	struct hl_acquire_args args = { .width = 1, .height = 1, .flags = HL_ACQUIRE_CGROUP };
	pid_t pid = start_old_broker(second_version_broker);
	struct hl_lease lease;
	struct hl_conn *conn;
	struct hl_error err;

	(void)state;
	assert_int_equal(hl_connect(path, &conn, NULL), 0);
	assert_int_equal(hl_acquire(conn, &args, &lease, &err), -EOPNOTSUPP);
	assert_string_equal(err.message, "acquire: the broker is too old");
	args.flags = HL_ACQUIRE_END_ON_CLOSE;
	assert_int_equal(hl_acquire(conn, &args, &lease, &err), -ENOSPC);
	hl_close(conn);
	end_old_broker(pid);
}

/* ---- the socket ---- */

static void a_second_broker_does_not_take_a_living_ones_socket(void **state)
{
	struct hl_error err;
	bool ours;
	int fd;

	(void)state;
	assert_int_equal(listen_open(path, -1, &fd, &ours, &err), -EADDRINUSE);
	assert_says(err.message, "another broker listens");
	hl_close(connect_client());
}

static void a_file_in_the_way_is_not_removed(void **state)
{
	char other[80];
	struct hl_error err;
	bool ours;
	int fd;

	(void)state;
	snprintf(other, sizeof(other), "%s/file", dir);
	fd = open(other, O_CREAT | O_RDWR, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(listen_open(other, -1, &fd, &ours, &err), -ENOTSOCK);
	assert_int_equal(access(other, F_OK), 0);
	unlink(other);
}

/* In a process of its own: the descriptor has to be number 3. */
static int adopt_activated(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	char pid[16];
	bool ours;
	int fd;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/activated", dir);
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (bind(sock, (struct sockaddr *)&addr, sizeof(addr)) || listen(sock, 1) ||
	    unlink(addr.sun_path) || dup2(sock, 3) != 3)
		return 90;
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	if (listen_open(path, -1, &fd, &ours, NULL) || fd != 3 || ours)
		return 91;
	return accept(fd, NULL, NULL) < 0 && errno == EAGAIN ? 0 : 92;
}

static void an_activated_socket_never_blocks_the_loop(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (!pid) {
		alarm(GUARD_MS / 1000);
		_exit(adopt_activated());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void the_library_says_when_there_is_no_broker(void **state)
{
	struct hl_conn *conn;
	struct hl_error err;
	char other[80];

	(void)state;
	snprintf(other, sizeof(other), "%s/nothing", dir);
	assert_int_equal(hl_connect(other, &conn, &err), -ENOENT);
	assert_says(err.message, "is helix-leased running?");
	assert_int_equal(hl_open_module(other, &conn, &err), -ENOENT);
	assert_says(err.message, "is helix_lease.ko loaded?");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lease_is_told_whole_and_ends_with_its_handle),
		TEST(the_sixteenth_is_refused_and_a_freed_one_goes_again),
		TEST(a_restarted_broker_knows_every_lease),
		TEST(a_stale_generation_hits_nobody),
		TEST(a_resize_is_of_this_lease_or_of_none),
		TEST(a_lease_ends_with_the_process_of_its_pidfd),
		TEST(a_lease_of_one_cgroup_is_asked_of_the_module),
		TEST(a_pidfd_comes_with_the_word_and_the_word_with_a_pidfd),
		TEST(the_broker_keeps_no_descriptor_of_a_client),
		TEST(unbind_is_the_modules_own),
		TEST(the_modules_error_reaches_the_client),
		TEST(a_list_longer_than_a_page_is_whole),
		TEST(one_that_waits_blocks_nobody_else),
		TEST(a_client_that_goes_while_waiting_leaves_no_lease),
		TEST(a_client_that_goes_before_it_reads_leaves_no_lease),
		TEST(nor_interrupts_what_is_done_before_it_is_told),
		TEST(one_whose_input_is_anothers_is_not_given),
		TEST(a_broker_that_ends_takes_what_was_waiting_with_it),
		TEST(a_second_request_waits_for_the_first_ones_reply),
		TEST(too_many_waiting_are_told_to_come_again),
		TEST(a_timeout_is_the_clients),
		TEST(the_sixty_fifth_client_is_told_why),
		TEST(an_oversized_packet_is_refused_and_the_next_one_served),
		TEST(a_malformed_request_is_answered_with_what_was_wrong),
		TEST(descriptors_from_a_client_are_refused_and_closed),
		TEST(what_a_client_has_sent_is_closed_while_others_are_served),
		TEST(what_nobody_has_read_is_closed_while_others_are_served),
		TEST(what_one_who_is_turned_away_has_sent_is_closed_while_others_are_served),
		TEST(a_client_that_never_reads_is_dropped_and_others_served),
		TEST(an_idle_client_is_dropped_with_a_word),
		TEST(waiting_is_not_idling),
		TEST(a_user_gets_as_many_as_its_quota_and_root_more),
		TEST(nor_is_it_counted_for_whom_its_process_has_become),
		TEST(what_a_user_got_elsewhere_counts_as_well),
		TEST(a_user_may_revoke_its_own_and_no_others),
		TEST(a_user_may_resize_its_own_and_no_others),
		TEST(others_see_that_a_scanout_is_taken_and_no_more),
		TEST(anybody_may_read_the_policy_and_root_may_set_it),
		TEST(the_highest_priorities_are_roots),
		TEST(a_user_outside_the_allowed_group_is_turned_away),
		TEST(a_client_of_the_first_version_is_served_as_before),
		TEST(a_client_of_the_future_is_told_what_is_spoken_here),
		TEST(a_broker_of_the_first_version_still_serves_what_it_knows),
		TEST(a_broker_of_the_second_version_is_not_asked_for_a_cgroup),
		TEST(a_second_broker_does_not_take_a_living_ones_socket),
		TEST(a_file_in_the_way_is_not_removed),
		TEST(an_activated_socket_never_blocks_the_loop),
		TEST(the_library_says_when_there_is_no_broker),
	};
	int failed;

	if (!mkdtemp(dir))
		return 1;
	chmod(dir, 0755);
	snprintf(path, sizeof(path), "%s/leased.sock", dir);
	failed = cmocka_run_group_tests_name("server", tests, NULL, NULL);
	rmdir(dir);
	return failed;
}
