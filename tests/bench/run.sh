#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# make bench: hvmdm beside QEMU, as ratios. In one boot of the lab in the deterministic mode, where a
# tick is one instruction of the whole machine (Xen, dom0's kernel, device model, guest); then a port read
# on two processors, in a boot for each device model, by the clock: the machine must be idle otherwise.
#
#   tests/bench/run.sh [--no-run]    (--no-run: only the tables of the last run; LAB_BENCH_SHORT=1
#   leaves out the idle guests)
set -eu
cd "$(dirname "$0")/../.."
lab_results=build/lab/log/results # of the lab's last run only
kept=build/bench
results=$kept/bench.txt
disk_results=$kept/bench-qdisk.txt
smp2_hvmdm=$kept/smp2-hvmdm.txt
smp2_qemu=$kept/smp2-qemu.txt

need() { # need FILE...
    for file; do
        [ -s "$file" ] || {
            echo "bench: $file is missing or empty: run 'make bench' first" >&2
            exit 1
        }
    done
}

if [ "${1:-}" != --no-run ]; then
    rm -rf $kept
    mkdir -p $kept
    tests/lab/lab run --mode deterministic bench bench-qdisk
    cp $lab_results/bench.txt $lab_results/bench-qdisk.txt $kept
    tests/lab/lab run --mode smp2 bench-port
    cp $lab_results/bench-port.txt $smp2_hvmdm
    tests/lab/lab run --mode smp2 --peer bench-port
    cp $lab_results/bench-port.txt $smp2_qemu
fi
need $results $disk_results

awk '
    function show(name, text, goal,   h, q) {
        h = v["hvmdm", name]; q = v["qemu", name]
        if (h == "" || q == "") return
        printf "%-34s %12d %12d %7s  %s\n", text, h, q, (q > 0 ? sprintf("%.2f", h / q) : "-"), goal
    }
    { v[$1, $2] = $3 }
    END {
        printf "%-34s %12s %12s %7s  %s\n", "instructions, lower is better", "hvmdm", "QEMU 7.2", "ratio", "goal"
        show("port_read_xen", "port read inside Xen", "")
        show("port_read", "port read", "at most 37000")
        show("port_write", "port write", "")
        show("serial_read", "serial port read", "")
        show("pci_config_read", "PCI configuration read", "")
        show("mmio_read", "MMIO register read", "")
        show("mmio_write", "MMIO register write", "")
        show("vga_write", "VGA planar write (buffered)", "")
        show("vga_read", "VGA planar read", "")
        show("insw_sector", "rep insw of a sector", "at most 45000 beyond its accesses")
        show("pio_sector", "PIO sector, command to data", "")
        show("pio_64k", "64 KiB, READ SECTORS", "")
        show("pio_multiple_64k", "64 KiB, READ MULTIPLE", "")
        show("dma_4k", "4 KiB, bus master", "")
        show("dma_64k", "64 KiB, bus master", "")
        show("exec_to_running", "exec to running", "at most a tenth")
        if (v["null", "port_read"] != "")
            printf "\nAn ioreq server that answers at once: port read %d, rep insw of a sector %d\n", \
                v["null", "port_read"], v["null", "insw_sector"]
        printf "\n%-34s %12s %12s %7s  %s\n", "idle Linux guest", "hvmdm", "QEMU 7.2", "ratio", "goal"
        show("pss_dirty_kib", "Pss_Dirty, KiB, all processes", "at most 1331")
        show("pss_kib", "Pss, KiB, all processes", "")
        show("threads", "threads, all processes", "one each")
        show("wakeups_10s", "wake-ups in 10 s", "0")
    }' "$results"

awk '
    function row(text, h, q, b, form, goal) {
        if (h == "" || q == "") return
        printf "%-34s " form " " form " %12s %7.2f %7s  %s\n", text, h, q, (b == "" ? "" : sprintf(form, b)), \
            (q > 0 ? h / q : 0), (b > 0 ? sprintf("%.2f", h / b) : ""), goal
    }
    function rate(name, factor,   m) {
        split("hvmdm qemu blkback", models, " ")
        for (m = 1; m <= 3; m++)
            r[m] = v[models[m], name] > 0 ? factor / v[models[m], name] : ""
    }
    { v[$1, $2] = $3 }
    END {
        printf "\n%-34s %12s %12s %12s %7s %7s  %s\n", "PV disk, higher is better", "hvmdm", "QEMU 7.2", \
            "blkback", "/ QEMU", "/ blkb.", "goal beside QEMU"
        rate("random_4k_ns", 1e9)
        row("4 KiB random reads a second", r[1], r[2], r[3], "%12d", "at least 1.3")
        rate("sequential_64k_ns", 65536 * 1e3)
        row("64 KiB sequential reads, MB/s", r[1], r[2], r[3], "%12d", "at least 1.4")
        rate("random_4k_x8_ns", 1e9)
        row("4 KiB random, eight readers", r[1], r[2], r[3], "%12d", "at least 1.6")
        printf "%s\n", "device model CPU time for a read, ns, lower is better"
        row("4 KiB random", v["hvmdm", "random_4k_cpu_ns"], v["qemu", "random_4k_cpu_ns"], "", "%12d", "at most 0.5")
        row("64 KiB sequential", v["hvmdm", "sequential_64k_cpu_ns"], v["qemu", "sequential_64k_cpu_ns"], "", "%12d", "at most 0.5")
        row("4 KiB random, eight readers", v["hvmdm", "random_4k_x8_cpu_ns"], v["qemu", "random_4k_x8_cpu_ns"], "", "%12d", "at most 0.5")
    }' "$disk_results"

need $smp2_hvmdm $smp2_qemu
awk '
    FNR == 1 { file++ }
    { v[file, $1] = $2 }
    END {
        h = v[1, "port_read"]; q = v[2, "port_read"]
        printf "\n%-34s %12s %12s %7s  %s\n", "two processors, TSC ticks", "hvmdm", "QEMU 7.2", "ratio", "goal"
        printf "%-34s %12d %12d %7s  %s\n", "port read", h, q, (q > 0 ? sprintf("%.2f", h / q) : "-"), "ratio at most 0.4"
    }' "$smp2_hvmdm" "$smp2_qemu"
