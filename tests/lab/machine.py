# SPDX-License-Identifier: GPL-2.0-or-later
"""The outer machine: Xen and dom0 in qemu-system-x86_64 without hardware virtualisation.

Starts it (from a snapshot of a booted dom0 where there is one for this image and host), talks
to the agent in dom0 over virtio-serial, and ends it.

The snapshot is a migration stream in a file plus a qcow2 layer with what dom0 wrote while it
booted; each run gets a fresh layer on top, so nothing a run does can spoil it. A mounted 9p
export cannot be migrated: dom0 mounts the shares only when a run begins.

Absent: more than one outer machine on one build directory at a time (a lock makes the second
one wait).
"""

import ctypes
import fcntl
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))

# How the outer machine's processor is emulated.
#   default        virtual time is wall-clock time
#   deterministic  virtual time is the number of instructions executed (1 ns each), idle time is
#                  skipped: figures repeat whatever else the host does. For short payloads,
#                  PV and PVH guests, not for Linux under SeaBIOS and GRUB: with -icount, TCG gathers translations of a page with both code and
#                  a stack (SeaBIOS's, while GRUB reads the disk) and pays for them at each write.
#   smp2           two CPUs, for measurements that need real concurrency
MODES = {
    "default": ["-accel", "tcg,thread=multi", "-smp", "1"],
    "deterministic": ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
                      "-smp", "1", "-rtc", "clock=vm", "-seed", "1"],
    "smp2": ["-accel", "tcg,thread=multi", "-smp", "2"],
}

# Without SMEP and SMAP because a PV dom0 dies at its first bounce frame with them under TCG 7.2;
# without RDTSCP because TCG reports it as RDTSC and Xen then injects a fault.
CPU = "max,-smap,-smep,-rdtscp"
MEMORY_MB = 5120  # Xen, dom0's 1024 and a guest of 2 GiB
# Eager FPU: with Xen's lazy switching the emulated SVM loses dom0's vector registers, and whatever
# was copied through them (scenario `steady` shows it, with either device model).
# LAB_FPU=lazy leaves that out, to compare figures of the deterministic mode with those of others.
XEN_OPTIONS = (("" if os.environ.get("LAB_FPU") == "lazy" else "spec-ctrl=eager-fpu ") +
               "dom0_mem=1024M console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all "
               "noreboot")
DOM0_OPTIONS = "console=hvc0 quiet panic=1 clocksource=xen"

# The emulated processor changes its word of pending interrupts without a lock while it enters and
# leaves a guest; a timer interrupt that comes in that moment is lost, and if it was the only one to
# come, the machine sleeps for ever. Any other interrupt makes it look again, so one is sent now and
# then: a line to the agent that means nothing. Not where everything runs in one thread.
HEARTBEAT = 1.0  # seconds

BOOT_LIMIT = 300  # seconds from power on to the agent's first word


class LabError(Exception):
    """Something that ends the whole run, told to the user in one sentence."""


PR_SET_PDEATHSIG = 1


def die_with_parent():
    """In the child before exec: whatever ends this program ends the outer machine too."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def read_text(path, default=""):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace")
    except OSError:
        return default


class Lines:
    """A stream socket read line by line, with a time limit and a callback for each raw chunk."""

    def __init__(self, sock):
        self.sock = sock
        self.pending = b""

    def read(self, timeout):
        """One line without its end; None when the time is up. Raises LabError at the end."""
        end = time.monotonic() + timeout
        while b"\n" not in self.pending:
            self.sock.settimeout(max(0.001, end - time.monotonic()))
            try:
                chunk = self.sock.recv(65536)
            except (socket.timeout, BlockingIOError):
                return None
            if not chunk:
                raise LabError("the outer machine ended")
            self.pending += chunk
        line, self.pending = self.pending.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")


class Machine:
    """One outer machine; use as a context manager."""

    def __init__(self, build, mode="default", snapshot=True, interactive=False):
        self.build = os.path.abspath(build)
        self.lab = os.path.join(self.build, "lab")
        self.mode = mode
        self.use_snapshot = snapshot
        self.interactive = interactive
        self.log = os.path.join(self.lab, "log")
        self.results = os.path.join(self.log, "results")
        self.process = None
        self.output = None
        self.control = None
        self.qmp = None
        self.token = 0
        self.last_beat = 0.0
        self.lock = None
        self.run_dir = None

    # ---- starting and ending -------------------------------------------------------------

    def __enter__(self):
        self.lock = open(os.path.join(self.lab, "machine.lock"), "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("lab: waiting for another lab machine on this build directory", flush=True)
            fcntl.flock(self.lock, fcntl.LOCK_EX)
        shutil.rmtree(self.log, ignore_errors=True)
        os.makedirs(self.results)
        self.run_dir = tempfile.mkdtemp(prefix="hvmdm-lab-")
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self.process:
            if self.process.poll() is None:
                self.process.kill()
            self.process.wait()
            self.process = None
        if self.run_dir:
            shutil.rmtree(self.run_dir, ignore_errors=True)
        self.lock.close()

    def _start(self):
        state = self._snapshot_files()
        if self.use_snapshot:
            if not state["ready"]:
                self._make_snapshot(state)
            self._launch(state["disk"], "qcow2", incoming=state["memory"])
            try:
                self._wait_loaded()
                self._qmp("cont")
                if self.run("true", limit=60)[0] == 0:
                    return
            except LabError as error:
                print(f"lab: snapshot unusable ({error}), booting afresh", flush=True)
            self._stop()
        self._launch(os.path.join(self.lab, "dom0.ext4"), "raw")
        self._wait_ready()

    def _snapshot_files(self):
        """Paths of this mode's snapshot; its key also names what a saved state depends on."""
        text = read_text(os.path.join(self.lab, "image.key"))
        qemu = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "qemu-system-x86"],
                              capture_output=True, text=True, check=False).stdout
        model = [line for line in read_text("/proc/cpuinfo").split("\n") if "model name" in line]
        text += qemu + "".join(model[:1]) + str(self._arguments("d", "raw", "r"))
        key = hashlib.sha256(text.encode()).hexdigest()
        folder = os.path.join(self.lab, "snapshot", self.mode)
        return {"folder": folder, "key": key,
                "disk": os.path.join(folder, "dom0.qcow2"),
                "memory": os.path.join(folder, "state"),
                "ready": read_text(os.path.join(folder, "key")) == key}

    def _make_snapshot(self, state):
        print(f"lab: booting dom0 once for a snapshot ({self.mode})", flush=True)
        shutil.rmtree(state["folder"], ignore_errors=True)
        os.makedirs(state["folder"])
        self._launch(os.path.join(self.lab, "dom0.ext4"), "raw", layer=state["disk"])
        self._wait_ready()
        if self.run("sync", limit=60)[0] != 0:
            raise LabError("dom0 does not answer")
        self._qmp("stop")
        self._qmp("migrate-set-parameters", **{"max-bandwidth": 1 << 40})
        self._qmp("migrate", uri=f"exec:cat >'{state['memory']}'")
        while True:
            status = self._qmp("query-migrate").get("status")
            if status == "completed":
                break
            if status in ("failed", "cancelled"):
                raise LabError("qemu could not save its state")
            time.sleep(0.1)
        self._qmp("quit")
        self.process.wait(60)
        self._stop()
        with open(os.path.join(state["folder"], "key"), "w", encoding="ascii") as file:
            file.write(state["key"])

    def _stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for sock in (self.output, self.control, self.qmp):
            if sock:
                sock.sock.close()
        self.output = self.control = self.qmp = None

    # ---- the command line ----------------------------------------------------------------

    def _arguments(self, disk, disk_format, run):
        """Everything that must be the same when a snapshot is made and when it is loaded."""
        return MODES[self.mode] + [
            "-machine", "pc", "-cpu", CPU, "-m", str(MEMORY_MB),
            "-nodefaults", "-no-user-config", "-no-reboot", "-nic", "none", "-display", "none",
            "-kernel", os.path.join(self.lab, "xen"), "-append", XEN_OPTIONS,
            "-initrd", f"{self.lab}/vmlinuz {DOM0_OPTIONS},{self.lab}/dom0-initrd",
            "-drive", f"if=none,id=root,format={disk_format},cache=unsafe,file={disk}",
            "-device", "virtio-blk-pci,drive=root",
            "-fsdev", f"local,id=lab,path={HERE},security_model=none,readonly=on",
            "-device", "virtio-9p-pci,fsdev=lab,mount_tag=lab",
            "-fsdev", f"local,id=build,path={self.build},security_model=none,readonly=on",
            "-device", "virtio-9p-pci,fsdev=build,mount_tag=build",
            "-fsdev", f"local,id=results,path={self.results},security_model=none",
            "-device", "virtio-9p-pci,fsdev=results,mount_tag=results",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=control,path={run}/control,server=on,wait=off",
            "-device", "virtserialport,chardev=control,name=lab.control",
            "-chardev", f"socket,id=output,path={run}/output,server=on,wait=off",
            "-device", "virtserialport,chardev=output,name=lab.output",
            "-chardev", ("stdio,id=terminal,signal=off" if self.interactive
                         else "null,id=terminal"),
            "-device", "virtconsole,chardev=terminal",
            "-chardev", f"file,id=xen,path={self.log}/xen-console.log",
            "-serial", "chardev:xen",
            "-qmp", f"unix:{run}/qmp,server=on,wait=off",
        ]

    def _launch(self, disk, disk_format, incoming=None, layer=None):
        """Starts qemu with a fresh layer over the given disk (or over the snapshot's)."""
        layer = layer or os.path.join(self.run_dir, "dom0.qcow2")
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", disk_format,
                        "-b", disk, layer], check=True)
        arguments = ["qemu-system-x86_64"] + self._arguments(layer, "qcow2", self.run_dir)
        if incoming:
            arguments += ["-S", "-incoming", f"exec:cat '{incoming}'"]
        with open(os.path.join(self.log, "outer-qemu.log"), "ab") as log:
            self.process = subprocess.Popen(
                arguments, stdin=None if self.interactive else subprocess.DEVNULL,
                stdout=None if self.interactive else log, stderr=log,
                preexec_fn=die_with_parent)
        self.qmp = self._connect("qmp")
        self.control = self._connect("control")
        self.output = self._connect("output")
        if "QMP" not in (self.qmp.read(30) or ""):
            raise LabError("the outer qemu did not start, see build/lab/log/outer-qemu.log")
        self._qmp("qmp_capabilities")

    def _connect(self, name):
        end = time.monotonic() + 30
        while True:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(os.path.join(self.run_dir, name))
                return Lines(sock)
            except OSError:
                sock.close()
                if self.process.poll() is not None or time.monotonic() > end:
                    raise LabError("the outer qemu did not start: " + read_text(
                        os.path.join(self.log, "outer-qemu.log"))[-2000:]) from None
                time.sleep(0.02)

    # ---- talking to it -------------------------------------------------------------------

    def _qmp(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.qmp.sock.sendall(json.dumps(request).encode() + b"\n")
        end = time.monotonic() + 120
        while time.monotonic() < end:
            line = self.qmp.read(end - time.monotonic())
            answer = json.loads(line) if line else {}
            if "error" in answer:
                raise LabError(f"qemu refused {command}: {answer['error'].get('desc')}")
            if "return" in answer:
                return answer["return"]
        raise LabError(f"the outer qemu does not answer {command}")

    def _wait_loaded(self):
        end = time.monotonic() + 120
        while self._qmp("query-status").get("status") == "inmigrate":
            if self.process.poll() is not None or time.monotonic() > end:
                raise LabError("the saved state did not load")
            time.sleep(0.1)

    def _wait_ready(self):
        end = time.monotonic() + BOOT_LIMIT
        while time.monotonic() < end:
            try:
                line = self.control.read(1)
            except (LabError, ConnectionError):
                raise LabError(self._how_it_ended()) from None
            if line is not None and line.strip() == "ready":
                return
            if self.process.poll() is not None:
                break
        raise LabError("dom0 did not come up; last lines of Xen's console:\n" +
                       "\n".join(read_text(os.path.join(self.log, "xen-console.log"))
                                 .split("\n")[-30:]))

    def run(self, command, limit, on_line=None):
        """Runs a shell command in dom0. Returns (status, text); status None: out of time."""
        self.token += 1
        token = f"t{os.getpid()}-{self.token}"
        self.control.sock.sendall(f"run {token} {command}\n".encode())
        lines = []
        end = time.monotonic() + limit
        killed = False
        while True:
            self._heartbeat()
            try:
                line = self.output.read(max(0.05, min(HEARTBEAT, end - time.monotonic())))
            except (LabError, ConnectionError):
                raise LabError(self._how_it_ended()) from None
            if line is None:
                if time.monotonic() > end:
                    if killed:
                        return None, "\n".join(lines)
                    self.control.sock.sendall(f"kill {token}\n".encode())
                    killed = True
                    end = time.monotonic() + 30
                continue
            if line.startswith("@@done "):
                if line.split()[1] != token:
                    continue
                if lines and not lines[-1]:
                    lines.pop()
                return (None if killed else int(line.split()[2])), "\n".join(lines)
            lines.append(line)
            if on_line:
                on_line(line)

    def _heartbeat(self):
        now = time.monotonic()
        if self.mode != "deterministic" and now - self.last_beat >= HEARTBEAT:
            self.last_beat = now
            self.control.sock.sendall(b"beat\n")

    def _how_it_ended(self):
        """What is known about an outer machine that closed its connections."""
        try:
            status = self.process.wait(20)
        except subprocess.TimeoutExpired:
            return "dom0's agent went away while the outer machine runs on"
        what = f"signal {-status}" if status < 0 else f"status {status}"
        last = read_text(os.path.join(self.log, "outer-qemu.log")).strip()[-500:]
        return f"the outer machine ended ({what}) {last}"

    def set_up(self):
        """Mounts the shares and puts this run's files where the scenarios expect them."""
        options = "trans=virtio,version=9p2000.L,msize=512000"
        command = (f"mount -t 9p -o {options},ro,cache=loose lab /mnt 2>/dev/null || "
                   f"{{ mkdir -p /mnt && mount -t 9p -o {options},ro,cache=loose lab /mnt; }}; "
                   "cp -r /mnt/. /lab/ && umount /mnt; "
                   f"mount -t 9p -o {options},ro,cache=loose build /build && "
                   f"mount -t 9p -o {options} results /results && sh /lab/dom0/set-up "
                   f"{int(time.time())}")
        status, text = self.run(command, limit=120)
        if status != 0:
            raise LabError(f"setting up dom0 failed:\n{text}")

    def wait_end(self):
        self.process.wait()

