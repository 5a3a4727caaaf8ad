/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmdline - the arguments that libxl builds (Xen 4.17 to 4.21), into one struct config.
 *
 * Parsing only: what the guest wants and we lack is noted in config.features and refused later.
 * One dash and two are the same. Where an option is given twice, the last one counts.
 * Absent: doubled commas as an escape (libxl never writes them), configuration files, what no libxl
 *         and no administrator's device_model_args needs.
 */
#include "toolstack/cmdline.h"
#include "toolstack/record/recorder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    DOMID_LIMIT = 0x7ff0,    /* first reserved domain id */
    RAM_LIMIT_MIB = 16 << 20 /* 16 TiB, the most a Xen HVM guest can have */
};

char *cmdline_next(char **rest, char **value)
{
    char *key = *rest, *comma, *equals;

    if (!key || !*key)
        return NULL;
    comma = strchr(key, ',');
    *rest = comma ? comma + 1 : NULL;
    if (comma)
        *comma = '\0';
    equals = strchr(key, '=');
    if (equals)
        *equals = '\0';
    *value = equals ? equals + 1 : NULL;
    return key;
}

static bool is_word(const char *s)
{
    return *s && !s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

int cmdline_peel(char *text, const char *const *keys, unsigned nkeys, uint32_t *seen, char **value)
{
    char *comma = strrchr(text, ','), *equals = comma ? strchr(comma, '=') : NULL;

    if (!equals || !is_word(equals + 1))
        return -1;
    for (unsigned i = 0; i < nkeys; i++) {
        size_t len = strlen(keys[i]);

        if ((size_t)(equals - comma - 1) != len || memcmp(comma + 1, keys[i], len) != 0)
            continue;
        if (*seen & 1u << i)
            return -1;
        *seen |= 1u << i;
        *comma = '\0';
        *value = equals + 1;
        return (int)i;
    }
    return -1;
}

int cmdline_bad_key(struct cmdline *p, const char *key, const char *value)
{
    return error_set(p->e, -EINVAL, "argument -%s: do not know \"%s%s%s\"", p->option, key,
                     value ? "=" : "", value ? value : "");
}

int cmdline_bad_value(struct cmdline *p, const char *value, const char *want)
{
    return error_set(p->e, -EINVAL, "argument -%s: \"%s\" is not %s", p->option, value ? value : "",
                     want);
}

int cmdline_number(struct cmdline *p, const char *what, const char *text, uint64_t min,
                   uint64_t max, uint64_t *out)
{
    int base = text && text[0] == '0' && text[1] == 'x' ? 16 : 10;
    const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
    const char *start = base == 16 ? text + 2 : text;

    errno = 0;
    if (start && *start && !start[strspn(start, digits)]) {
        unsigned long long v = strtoull(start, NULL, base);

        if (!errno && v >= min && v <= max) {
            *out = v;
            return 0;
        }
    }
    return error_set(
        p->e, -EINVAL, "argument -%s: %s is \"%s\", which is not a number from %llu to %llu",
        p->option, what, text ? text : "", (unsigned long long)min, (unsigned long long)max);
}

int cmdline_onoff(struct cmdline *p, const char *what, const char *text, bool *out)
{
    if (!text || !strcmp(text, "on") || !strcmp(text, "yes"))
        *out = true;
    else if (!strcmp(text, "off") || !strcmp(text, "no"))
        *out = false;
    else
        return error_set(p->e, -EINVAL, "argument -%s: %s is \"%s\", not on or off", p->option,
                         what, text);
    return 0;
}

void cmdline_wants(struct cmdline *p, enum config_feature f, const char *detail)
{
    p->c->features |= UINT64_C(1) << f;
    if (!p->c->detail[f])
        p->c->detail[f] = detail;
}

/* ---- options, in the order of the contract ------------------------------------------------- */

static int opt_domid(struct cmdline *p, char *value)
{
    uint64_t v;
    int ret = cmdline_number(p, "the domain id", value, 0, DOMID_LIMIT - 1, &v);

    if (ret == 0) {
        p->c->domid = (uint16_t)v;
        p->c->have_domid = true;
    }
    return ret;
}

static int opt_nothing(struct cmdline *p, char *value)
{
    (void)p;
    (void)value;
    return 0;
}

/* Of --model, which is the supervisor's. */
static int opt_not_ours(struct cmdline *p, char *value)
{
    (void)p, (void)value;
    return 0;
}

static int opt_null_stream(struct cmdline *p, char *value)
{
    if (!strcmp(value, "none") || !strcmp(value, "null") || !strcmp(value, "/dev/null"))
        return 0;
    return cmdline_bad_value(p, value, "none, null or /dev/null, the only ones we take");
}

static int opt_display(struct cmdline *p, char *value)
{
    if (!strcmp(value, "none"))
        return 0;
    if (strncmp(value, "sdl", 3) != 0)
        return cmdline_bad_value(p, value, "a display we know (none)");
    cmdline_wants(p, FEATURE_SDL, NULL);
    return 0;
}

static int opt_vnc(struct cmdline *p, char *value)
{
    p->c->vnc = strcmp(value, "none") ? value : NULL;
    if (strstr(value, ",password") && !strstr(value, ",password=off"))
        cmdline_wants(p, FEATURE_VNC_PASSWORD, NULL);
    return 0;
}

static int opt_spice(struct cmdline *p, char *value)
{
    (void)value;
    cmdline_wants(p, FEATURE_SPICE, NULL);
    return 0;
}

static int opt_object(struct cmdline *p, char *value)
{
    char *comma = strchr(value, ','), *rest = comma ? comma + 1 : value + strlen(value);

    if (comma)
        *comma = '\0';
    if (!strcmp(value, "filter-dump"))
        return cmdline_dump(p, rest);
    cmdline_wants(p, FEATURE_COLO, value);
    return 0;
}

static int opt_memory(struct cmdline *p, char *value)
{
    uint64_t v;
    int ret = cmdline_number(p, "memory in MiB", value, 1, RAM_LIMIT_MIB, &v);

    if (ret == 0)
        p->c->ram_mib = (uint32_t)v;
    return ret;
}

static int opt_smp(struct cmdline *p, char *value)
{
    uint64_t cpus = 0, most = 0;
    char *key, *v;
    int ret;

    while ((key = cmdline_next(&value, &v))) {
        if (!v || !strcmp(key, "cpus"))
            ret = cmdline_number(p, "the number of vCPUs", v ? v : key, 1, CONFIG_VCPUS, &cpus);
        else if (!strcmp(key, "maxcpus"))
            ret = cmdline_number(p, "the number of vCPUs (maxvcpus=)", v, 1, CONFIG_VCPUS, &most);
        else
            ret = cmdline_bad_key(p, key, v);
        if (ret < 0)
            return ret;
    }
    if (!cpus)
        return cmdline_bad_value(p, NULL, "a number of vCPUs");
    if (most && most < cpus)
        return error_set(
            p->e, -EINVAL,
            "argument -smp: %u vCPUs are more than maxcpus=%u (xl.cfg: vcpus=, maxvcpus=)",
            (unsigned)cpus, (unsigned)most);
    p->c->vcpus = (uint32_t)cpus;
    p->c->max_vcpus = (uint32_t)(most ? most : cpus);
    return 0;
}

static int opt_serial(struct cmdline *p, char *value)
{
    if (p->c->nserials == CONFIG_SERIALS)
        return error_set(p->e, -EINVAL,
                         "argument -serial %s: a PC has only %d serial ports (xl.cfg: serial=)",
                         value, CONFIG_SERIALS);
    p->c->serials[p->c->nserials++] = value;
    return 0;
}

static int opt_boot(struct cmdline *p, char *value)
{
    char *key, *v;

    while ((key = cmdline_next(&value, &v))) {
        const char *order = v ? v : key;

        if (v && strcmp(key, "order"))
            return cmdline_bad_key(p, key, v);
        if (order[strspn(order, "acdn")])
            return cmdline_bad_value(p, order, "a boot order of the letters a, c, d, n");
        p->c->boot = order;
    }
    return 0;
}

static int opt_kernel(struct cmdline *p, char *value)
{
    p->c->kernel = value;
    cmdline_wants(p, FEATURE_KERNEL, value);
    return 0;
}

static int opt_initrd(struct cmdline *p, char *value)
{
    p->c->initrd = value;
    cmdline_wants(p, FEATURE_KERNEL, value);
    return 0;
}

static int opt_append(struct cmdline *p, char *value)
{
    p->c->append = value;
    cmdline_wants(p, FEATURE_KERNEL, value);
    return 0;
}

static int opt_usb(struct cmdline *p, char *value)
{
    p->c->usb = true;
    cmdline_wants(p, FEATURE_USB, value);
    return 0;
}

static int opt_net(struct cmdline *p, char *value)
{
    return strcmp(value, "none") ? cmdline_bad_value(p, value, "none, the only one we take") : 0;
}

static int opt_run_with(struct cmdline *p, char *value)
{
    char *key, *v;
    int ret = 0;

    while (ret == 0 && (key = cmdline_next(&value, &v))) {
        if (v && !strcmp(key, "chroot"))
            p->c->chroot = v;
        else if (v && !strcmp(key, "user"))
            p->c->runas = v;
        else
            ret = cmdline_bad_key(p, key, v);
    }
    return ret;
}

static int opt_incoming(struct cmdline *p, char *value)
{
    uint64_t v;
    int ret;

    if (strncmp(value, "fd:", 3) != 0)
        return cmdline_bad_value(p, value, "fd:NUMBER, the only source we take");
    ret = cmdline_number(p, "the descriptor", value + 3, 0, INT32_MAX, &v);
    if (ret < 0)
        return ret;
    p->c->incoming_fd = (int)v;
    cmdline_wants(p, FEATURE_INCOMING, NULL);
    return 0;
}

static int opt_attach(struct cmdline *p, char *value)
{
    (void)value;
    p->c->xen_attach = true;
    return 0;
}

static int opt_machine(struct cmdline *p, char *value)
{
    char *key, *v, *type = cmdline_next(&value, &v);
    bool on = true;
    int ret = 0;

    if (type && !v && !strcmp(type, "xenfv"))
        p->c->machine = CONFIG_MACHINE_XENFV;
    else if (type && !v && !strcmp(type, "pc"))
        p->c->machine = CONFIG_MACHINE_PC;
    else if (type && !v && !strcmp(type, "xenpv"))
        p->c->machine = CONFIG_MACHINE_XENPV;
    else if (type && !v && !strcmp(type, "none"))
        p->c->machine = CONFIG_MACHINE_NONE;
    else
        return cmdline_bad_value(p, type, "a machine we know (xenfv, pc, xenpv, none)");
    p->c->have_machine = true;
    while (ret == 0 && (key = cmdline_next(&value, &v))) {
        if (!strcmp(key, "accel") && v && !strcmp(v, "xen"))
            continue;
        if (!strcmp(key, "suppress-vmdesc"))
            ret = cmdline_onoff(p, key, v, &on);
        else if (!strcmp(key, "max-ram-below-4g"))
            ret = cmdline_number(p, key, v, 1 << 20, UINT64_C(1) << 32, &p->c->max_ram_below_4g);
        else if (!strcmp(key, "igd-passthru")) {
            ret = cmdline_onoff(p, key, v, &on);
            if (ret == 0 && on)
                cmdline_wants(p, FEATURE_IGD, NULL);
        } else {
            ret = cmdline_bad_key(p, key, v);
        }
    }
    return ret;
}

static int opt_log_level(struct cmdline *p, char *value)
{
    if (strcmp(value, "error") && strcmp(value, "warn") && strcmp(value, "info") &&
        strcmp(value, "debug"))
        return cmdline_bad_value(p, value, "error, warn, info or debug");
    p->c->log_level = value;
    return 0;
}

static int opt_check_arena(struct cmdline *p, char *value)
{
    uint64_t v = 0;
    int ret = cmdline_number(p, "the descriptor", value, 0, INT32_MAX, &v);

    if (ret == 0) {
        p->c->arena_fd = (int)v;
        p->c->action = CONFIG_CHECK_ARENA;
    }
    return ret;
}

/* "8M", "1G": a number with one of the letters K, M, G, or none. */
static int read_size(struct cmdline *p, char *text, uint64_t *out)
{
    static const char letters[] = "KMG";
    size_t n = strlen(text);
    const char *letter = n ? strchr(letters, text[n - 1]) : NULL;
    unsigned shift = letter && *letter ? 10 * (unsigned)(letter - letters + 1) : 0;
    int ret;

    if (shift)
        text[n - 1] = '\0';
    ret = cmdline_number(p, "the limit", text, 1, UINT32_MAX, out);
    *out <<= shift;
    if (ret == 0 && *out < RECORDER_LIMIT_MIN)
        return error_set(p->e, -EINVAL, "argument -record: the limit must be 8M at least");
    return ret;
}

/* FILE[,limit=SIZE][,nodata]. The file's name may have commas. */
static int opt_record(struct cmdline *p, char *value)
{
    static const char *const keys[] = { "limit" };
    static const char nodata[] = ",nodata";
    uint32_t seen = 0;
    char *limit = NULL;
    int ret = 0;

    for (bool more = true; more && ret == 0;) {
        size_t n = strlen(value), k = sizeof nodata - 1;

        more = !p->c->record_nodata && n > k && !strcmp(value + n - k, nodata);
        if (more) {
            value[n - k] = '\0';
            p->c->record_nodata = true;
        } else if (cmdline_peel(value, keys, ARRAY_SIZE(keys), &seen, &limit) >= 0) {
            more = true;
            ret = read_size(p, limit, &p->c->record_limit);
        }
    }
    if (ret == 0 && !value[0])
        return cmdline_bad_value(p, value, "the name of a file");
    p->c->record = value;
    return ret;
}

/* Options that only set one member. `kind` 's': string, 'b': flag. */
struct plain_option {
    const char *name;
    char kind;
    uint16_t offset;
};

#define PLAIN(name, kind, member)                                                                  \
    {                                                                                              \
        name, kind, offsetof(struct config, member)                                                \
    }
static const struct plain_option plain_options[] = {
    PLAIN("no-shutdown", 'b', no_shutdown),
    PLAIN("S", 'b', start_paused),
    PLAIN("nographic", 'b', nographic),
    PLAIN("no-acpi", 'b', no_acpi),
    PLAIN("no-sandbox", 'b', no_sandbox),
    PLAIN("xen-domid-restrict", 'b', domid_restrict),
    PLAIN("name", 's', name),
    PLAIN("runas", 's', runas),
    PLAIN("chroot", 's', chroot),
    PLAIN("k", 's', keymap),
    PLAIN("trace", 's', trace),
};

struct option {
    const char *name;
    bool argument;
    int (*parse)(struct cmdline *p, char *value);
};

static const struct option options[] = {
    { "xen-domid", true, opt_domid },
    { "chardev", true, cmdline_chardev },
    { "mon", true, cmdline_mon },
    { "nodefaults", false, opt_nothing },
    { "no-user-config", false, opt_nothing },
    { "xen-attach", false, opt_attach },
    { "vnc", true, opt_vnc },
    { "display", true, opt_display },
    { "spice", true, opt_spice },
    { "machine", true, opt_machine },
    { "M", true, opt_machine },
    { "m", true, opt_memory },
    { "smp", true, opt_smp },
    { "device", true, cmdline_device },
    { "drive", true, cmdline_drive },
    { "netdev", true, cmdline_netdev },
    { "net", true, opt_net },
    { "serial", true, opt_serial },
    { "boot", true, opt_boot },
    { "kernel", true, opt_kernel },
    { "initrd", true, opt_initrd },
    { "append", true, opt_append },
    { "usb", false, opt_usb },
    { "usbdevice", true, opt_usb },
    { "object", true, opt_object },
    { "run-with", true, opt_run_with },
    { "incoming", true, opt_incoming },
    { "monitor", true, opt_null_stream },
    { "parallel", true, opt_null_stream },
    { "log-level", true, opt_log_level },
    { "model", true, opt_not_ours },
    { "record", true, opt_record },
    { "check-arena", true, opt_check_arena },
};

static char *keep(struct cmdline *p, const char *text)
{
    size_t n = strlen(text) + 1;
    char *at = p->free;

    memcpy(at, text, n);
    p->free += n;
    return at;
}

static int set_plain(struct cmdline *p, const struct plain_option *o, char *value)
{
    char *member = (char *)p->c + o->offset;

    if (o->kind == 'b')
        *(bool *)member = true;
    else
        memcpy(member, &value, sizeof value);
    return 0;
}

/* Returns how many arguments it used (1 or 2), or -errno. */
static int parse_one(struct cmdline *p, const char *arg, const char *next)
{
    const struct plain_option *plain = NULL;
    const struct option *option = NULL;
    char *value = NULL;
    bool argument;
    int ret;

    if (arg[0] != '-' || !arg[1])
        return error_set(p->e, -EINVAL,
                         "argument \"%s\" was not expected: options begin with a dash", arg);
    p->option = arg + (arg[1] == '-' ? 2 : 1);
    for (size_t i = 0; i < ARRAY_SIZE(options) && !option; i++)
        if (!strcmp(options[i].name, p->option))
            option = &options[i];
    for (size_t i = 0; i < ARRAY_SIZE(plain_options) && !option && !plain; i++)
        if (!strcmp(plain_options[i].name, p->option))
            plain = &plain_options[i];
    if (!option && !plain)
        return error_set(p->e, -EINVAL,
                         "do not know the argument \"%s\" (if it comes from device_model_args= in "
                         "xl.cfg, remove it there; hvmdm --help lists what there is)",
                         arg);
    argument = option ? option->argument : plain->kind == 's';
    if (argument && !next)
        return error_set(p->e, -EINVAL, "argument %s needs a value", arg);
    if (argument)
        value = keep(p, next);
    ret = option ? option->parse(p, value) : set_plain(p, plain, value);
    return ret < 0 ? ret : 1 + argument;
}

/* --help, --version and --print-config may stand anywhere; the first one counts. */
static enum config_action find_action(int argc, char *const argv[])
{
    for (int i = 1; i < argc; i++) {
        const char *a = argv[i][0] == '-' ? argv[i] + 1 + (argv[i][1] == '-') : "";

        if (!strcmp(a, "help") || !strcmp(a, "h"))
            return CONFIG_SHOW_HELP;
        if (!strcmp(a, "version"))
            return CONFIG_SHOW_VERSION;
        if (!strcmp(a, "print-config"))
            return CONFIG_SHOW_CONFIG;
    }
    return CONFIG_RUN;
}

static bool is_action(const char *arg)
{
    return !strcmp(arg, "-print-config") || !strcmp(arg, "--print-config");
}

int config_parse(struct config *c, int argc, char *const argv[], struct error *e)
{
    struct cmdline p = { .c = c, .e = e };
    size_t room = CONFIG_DISKS * 16; /* names we make up: "ide0-hd0" */
    int ret = 0;

    *c = (struct config){
        .incoming_fd = -1, .arena_fd = -1, .vcpus = 1, .max_vcpus = 1, .boot = "cda"
    };
    c->action = find_action(argc, argv);
    if (c->action == CONFIG_SHOW_HELP || c->action == CONFIG_SHOW_VERSION)
        return 0;
    for (int i = 1; i < argc; i++)
        room += strlen(argv[i]) + 1;
    c->text = p.free = malloc(room);
    if (!c->text)
        return error_set(e, -ENOMEM, "no memory for the command line");
    for (int i = 1; i < argc; i += ret) {
        ret = 1;
        if (is_action(argv[i]))
            continue;
        ret = parse_one(&p, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (ret < 0)
            return ret;
    }
    return c->action == CONFIG_CHECK_ARENA ? 0 : cmdline_finish(&p);
}

void config_free(struct config *c)
{
    free(c->text);
    *c = (struct config){ .incoming_fd = -1, .arena_fd = -1 };
}
