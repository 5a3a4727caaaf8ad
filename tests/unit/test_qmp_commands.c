/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * test_qmp_commands - what each QMP command asks of the machine and answers, and the descriptors
 * that come with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/monitor.h"

static void send_fd(int to, const char *text, const int *fds, size_t nfds)
{
    char space[CMSG_SPACE(16 * sizeof(int))] = { 0 };
    struct iovec iov = { (void *)(uintptr_t)text, 1 };
    struct msghdr m = { .msg_iov = &iov,
                        .msg_iovlen = 1,
                        .msg_control = space,
                        .msg_controllen = CMSG_SPACE(nfds * sizeof(int)) };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(c), fds, nfds * sizeof(int));
    assert_int_equal(sendmsg(to, &m, 0), 1);
    client_say(to, text + 1, strlen(text) - 1);
}

static int scratch_file(const char *content)
{
    char path[] = "/tmp/test_qmp.XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    unlink(path);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void life_cycle(void **state)
{
    struct monitor m;
    json_t *j;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    monitor_ok(&m, "cont", NULL);
    monitor_ok(&m, "cont", NULL);
    assert_int_equal(m.vm.conts, 2);
    j = monitor_run(&m, "query-status", NULL, NULL);
    assert_string_equal(json_string_value(json_object_get(j, "status")), "running");
    assert_true(json_is_true(json_object_get(j, "running")));
    json_decref(j);
    monitor_ok(&m, "stop", NULL);
    assert_int_equal(m.vm.stops, 1);
    monitor_ok(&m, "system_wakeup", NULL);
    assert_int_equal(m.vm.wakeups, 1);
    monitor_ok(&m, "xen-set-global-dirty-log", "{\"enable\":true}");
    assert_true(m.vm.dirty_log);
    monitor_ok(&m, "xen-set-global-dirty-log", "{\"enable\":false}");
    assert_false(m.vm.dirty_log);
    monitor_wrong(&m, "xen-set-global-dirty-log", "{\"enable\":1}", "GenericError");
    monitor_ok(&m, "quit", NULL); /* answered before it happens */
    assert_int_equal(m.vm.quits, 1);
    monitor_end(&m);
}

static void what_libxl_reads(void **state)
{
    struct monitor m;
    json_t *j, *one;
    const char *type;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    j = monitor_run(&m, "query-chardev", NULL, NULL);
    assert_int_equal(json_array_size(j), 1);
    one = json_array_get(j, 0);
    assert_string_equal(json_string_value(json_object_get(one, "label")), "serial0");
    assert_string_equal(json_string_value(json_object_get(one, "filename")), "pty:/dev/pts/3");
    json_decref(j);
    j = monitor_run(&m, "query-vnc", NULL, NULL);
    assert_true(json_is_false(json_object_get(j, "enabled")));
    json_decref(j);
    j = monitor_run(&m, "query-pci", NULL, NULL);
    one = json_object_get(json_array_get(j, 0), "devices");
    assert_int_equal(json_array_size(one), 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(one, i), "qdev_id")),
                            "");
    json_decref(j);
    j = monitor_run(&m, "query-hotpluggable-cpus", NULL, NULL);
    type = json_string_value(json_object_get(json_array_get(j, 0), "type"));
    assert_non_null(type);
    assert_string_equal(type, "xen-vcpu");
    json_decref(j);
    j = monitor_run(&m, "query-command-line-options", NULL, NULL);
    assert_int_equal(json_array_size(j), 1);
    one = json_array_get(j, 0);
    assert_string_equal(json_string_value(json_object_get(one, "option")), "run-with");
    one = json_object_get(one, "parameters");
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(one, i), "name")),
                            i ? "user" : "chroot");
    json_decref(j);
    j = monitor_run(&m, "query-command-line-options", "{\"option\":\"drive\"}", NULL);
    assert_int_equal(json_array_size(j), 0);
    json_decref(j);
    j = monitor_run(&m, "query-version", NULL, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "qemu"), "major")), 7);
    json_decref(j);
    j = monitor_run(&m, "query-commands", NULL, NULL);
    assert_true(json_array_size(j) > 20);
    json_decref(j);
    monitor_wrong(&m, "change-vnc-password", "{\"password\":\"x\"}", "GenericError");
    monitor_end(&m);
}

static void vcpu_hotplug(void **state)
{
    struct monitor m;
    json_t *j;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    monitor_ok(&m, "device_add",
               "{\"id\":\"cpu-2\",\"driver\":\"xen-vcpu\",\"socket-id\":2,\"core-id\":0,"
               "\"thread-id\":0}");
    monitor_ok(&m, "device_add", "{\"id\":\"cpu-3\",\"driver\":\"xen-vcpu\",\"socket-id\":\"3\"}");
    assert_int_equal(m.vm.plugged, 0xd);
    j = monitor_run(&m, "query-cpus-fast", NULL, NULL);
    assert_int_equal(json_array_size(j), 3);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(j, 1), "cpu-index")), 2);
    json_decref(j);
    for (int i = 0; i < 6; i++) {
        static const char *const bad[] = { "4", "-1", "\"\"", "\"2x\"", "4294967298", "null" };
        char args[128];

        snprintf(args, sizeof args, "{\"driver\":\"xen-vcpu\",\"socket-id\":%s}", bad[i]);
        monitor_wrong(&m, "device_add", args, "GenericError");
    }
    assert_int_equal(m.vm.plugged, 0xd);
    monitor_wrong(&m, "device_add", "{\"driver\":\"xen-pci-passthrough\"}", "GenericError");
    monitor_wrong(&m, "device_add", "{\"driver\":\"usb-host\"}", "GenericError");
    monitor_wrong(&m, "device_add", "{}", "GenericError");
    monitor_wrong(&m, "device_del", "{\"id\":\"pci-pt-01_00.0\"}", "DeviceNotFound");
    monitor_end(&m);
}

static void cd_change_by_descriptor(void **state)
{
    int before = monitor_open_fds(), image = scratch_file("CD001"), other = scratch_file("other");
    struct monitor m;
    char text[256];
    json_t *j;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    monitor_ok(&m, "eject", "{\"id\":\"ide-5632\"}");
    monitor_ok(&m, "eject", "{\"id\":\"ide-5632\"}");
    assert_string_equal(m.vm.ejected, "ide-5632");
    send_fd(m.fd,
            "{\"execute\":\"add-fd\",\"arguments\":{\"opaque\":\"raw:/srv/a:m.iso\"},\"id\":1}",
            &image, 1);
    client_settle(m.loop);
    client_receive(m.fd, text, sizeof text);
    j = json_loads(text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "return"), "fdset-id")),
                     0);
    json_decref(j);
    /* A second one gets a set of its own. */
    send_fd(m.fd, "{\"execute\":\"add-fd\",\"id\":2}", &other, 1);
    client_settle(m.loop);
    client_receive(m.fd, text, sizeof text);
    assert_non_null(strstr(text, "\"fdset-id\":1"));
    j = monitor_run(&m, "query-fdsets", NULL, NULL);
    assert_int_equal(json_array_size(j), 2);
    json_decref(j);
    monitor_ok(&m, "blockdev-change-medium",
               "{\"id\":\"ide-5632\",\"filename\":\"/dev/fdset/0\",\"format\":\"raw\"}");
    assert_string_equal(m.vm.medium, "/srv/a:m.iso");
    assert_string_equal(m.vm.format, "raw");
    assert_string_equal(m.vm.medium_bytes, "CD001");
    monitor_wrong(&m, "blockdev-change-medium",
                  "{\"id\":\"ide-5632\",\"filename\":\"/dev/fdset/9\"}", "GenericError");
    monitor_wrong(&m, "blockdev-change-medium",
                  "{\"id\":\"ide-5632\",\"filename\":\"/dev/fdset/\"}", "GenericError");
    monitor_ok(&m, "remove-fd", "{\"fdset-id\":1}");
    monitor_wrong(&m, "remove-fd", "{\"fdset-id\":1}", "GenericError");
    monitor_end(&m);
    close(image);
    close(other);
    assert_int_equal(monitor_open_fds(), before);
}

static void eject_errors(void **state)
{
    struct monitor m;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    monitor_wrong(&m, "eject", "{\"id\":\"ide-768\"}", "DeviceNotFound");
    monitor_wrong(&m, "eject", "{}", "GenericError");
    m.vm.tray_locked = true;
    monitor_wrong(&m, "eject", "{\"id\":\"ide-5632\"}", "GenericError");
    assert_false(m.vm.forced);
    monitor_ok(&m, "eject", "{\"device\":\"ide-5632\",\"force\":true}");
    assert_true(m.vm.forced);
    monitor_end(&m);
}

static void descriptors_do_not_leak(void **state)
{
    int before = monitor_open_fds(), file = scratch_file("x"), many[12];
    struct monitor m;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = file;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    monitor_wrong(&m, "add-fd", NULL, "GenericError"); /* none came */
    /* Never claimed, more than are kept, and claimed but never used. */
    for (int i = 0; i < 10; i++) {
        send_fd(m.fd, "{\"execute\":\"query-vnc\"}", many, ARRAY_SIZE(many));
        client_settle(m.loop);
    }
    assert_in_range(monitor_open_fds(), (uintmax_t)before, (uintmax_t)before + 4 + 8);
    for (int i = 0; i < 60; i++) {
        send_fd(m.fd, "{\"execute\":\"add-fd\"}", &file, 1);
        client_settle(m.loop);
    }
    assert_in_range(monitor_open_fds(), (uintmax_t)before, (uintmax_t)before + 4 + 8 + 32);
    close(m.fd);
    m.fd = -1;
    client_settle(m.loop);
    m.fd = monitor_join(&m);
    monitor_negotiate(&m);
    assert_int_equal(monitor_open_fds(), before + 1 + 3); /* the file, the loop, both ends */
    monitor_end(&m);
    close(file);
    assert_int_equal(monitor_open_fds(), before);
}

static void save_to_descriptor(void **state)
{
    int file = scratch_file(""), reading;
    char path[64], text[512];
    struct monitor m;

    (void)state;
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    reading = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(reading >= 0);
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    send_fd(m.fd, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":5}}", &reading, 1);
    client_settle(m.loop);
    client_receive(m.fd, text, sizeof text);
    assert_non_null(strstr(text, "\"fdset-id\":5"));
    monitor_wrong(&m, "xen-save-devices-state", "{\"filename\":\"/dev/fdset/5\",\"live\":true}",
                  "GenericError");
    send_fd(m.fd, "{\"execute\":\"add-fd\",\"arguments\":{\"fdset-id\":5}}", &file, 1);
    client_settle(m.loop);
    client_receive(m.fd, text, sizeof text);
    monitor_ok(&m, "xen-save-devices-state", "{\"filename\":\"/dev/fdset/5\",\"live\":true}");
    assert_true(m.vm.saved_live);
    assert_int_equal(pread(file, text, sizeof text, 0), 5);
    monitor_wrong(&m, "xen-save-devices-state", "{\"filename\":\"/etc/passwd\"}", "GenericError");
    monitor_end(&m);
    close(file);
    close(reading);
}

static void monitor_answers_text(void **state)
{
    static const char *const lines[] = { "info status", "info block", "info chardev",
                                         "info pci",    "info cpus",  "info version",
                                         "help",        "frobnicate", "" };
    struct monitor m;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        char args[128];
        json_t *j;

        snprintf(args, sizeof args, "{\"command-line\":\"%s\"}", lines[i]);
        j = monitor_run(&m, "human-monitor-command", args, NULL);
        assert_true(json_is_string(j));
        assert_true(json_string_length(j) > 0);
        json_decref(j);
    }
    monitor_wrong(&m, "human-monitor-command", "{}", "GenericError");
    monitor_ok(&m, "human-monitor-command", "{\"command-line\":\"block_resize xvda 1G\"}");
    assert_int_equal(m.vm.resized, 1);
    monitor_ok(&m, "block_resize", "{\"device\":\"xvda\",\"size\":1073741824}");
    assert_int_equal(m.vm.resized, 2);
    monitor_wrong(&m, "block_resize", "{\"device\":\"xvda\"}", "GenericError");
    assert_int_equal(m.vm.resized, 2);
    monitor_end(&m);
}

static void unknown_and_colo(void **state)
{
    static const char *const names[] = { "nbd-server-start", "xen-load-devices-state",
                                         "xen-colo-do-checkpoint", "query-cpus", "" };
    struct monitor m;

    (void)state;
    monitor_start(&m, &fake_vm_ops);
    monitor_negotiate(&m);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        monitor_wrong(&m, names[i], NULL, "CommandNotFound");
    monitor_end(&m);
}

/* A probe run has no machine: nothing may be answered as if there were one. */
static void without_a_machine(void **state)
{
    const struct vm_ops none = { .quit = fake_vm_ops.quit };
    static const char *const names[] = {
        "query-status",
        "query-chardev",
        "cont",
        "stop",
        "query-pci",
        "query-cpus-fast",
        "query-hotpluggable-cpus",
        "query-block",
        "query-blockstats",
        "system_wakeup",
    };
    struct monitor m;

    (void)state;
    monitor_start(&m, &none);
    monitor_negotiate(&m);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        monitor_wrong(&m, names[i], NULL, "GenericError");
    monitor_wrong(&m, "eject", "{\"id\":\"ide-768\"}", "GenericError");
    monitor_wrong(&m, "blockdev-change-medium", "{\"id\":\"a\",\"filename\":\"/x\"}",
                  "GenericError");
    monitor_wrong(&m, "device_add", "{\"driver\":\"xen-vcpu\",\"socket-id\":1}", "GenericError");
    monitor_wrong(&m, "xen-set-global-dirty-log", "{\"enable\":true}", "GenericError");
    monitor_wrong(&m, "xen-save-devices-state", "{\"filename\":\"/dev/fdset/0\"}", "GenericError");
    json_decref(
        monitor_run(&m, "human-monitor-command", "{\"command-line\":\"info status\"}", NULL));
    json_decref(
        monitor_run(&m, "human-monitor-command", "{\"command-line\":\"info block\"}", NULL));
    monitor_ok(&m, "query-command-line-options", NULL);
    monitor_ok(&m, "quit", NULL);
    assert_int_equal(m.vm.quits, 1);
    monitor_end(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(life_cycle),         cmocka_unit_test(what_libxl_reads),
        cmocka_unit_test(vcpu_hotplug),       cmocka_unit_test(cd_change_by_descriptor),
        cmocka_unit_test(eject_errors),       cmocka_unit_test(descriptors_do_not_leak),
        cmocka_unit_test(save_to_descriptor), cmocka_unit_test(monitor_answers_text),
        cmocka_unit_test(unknown_and_colo),   cmocka_unit_test(without_a_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
