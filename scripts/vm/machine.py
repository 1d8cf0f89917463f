# SPDX-License-Identifier: GPL-2.0-only
"""The virtual machine: what it is made of and its QEMU process.

Slots are fixed, so that the guest finds the same addresses in every run:
02 GPU, 03 control device, 08 and 09 disks, 0a virtio-serial, 10 and up the
input devices, three for each scanout.
"""
import os
import signal
import subprocess
import time
from pathlib import Path

from .agent import GuestAgent
from .jsonsocket import RemoteError, qmp

GPU_SLOT = 0x02
CONTROL_SLOT = 0x03
INPUT_SLOT = 0x10
MAX_DESKTOPS = 15
DESKTOP_MIB = {"weston": 320, "gnome": 1280}    # of the guest's memory, with what is started in it


class MachineError(Exception):
    """The machine cannot be started, or has ended."""


def memory_mib(desktops, kind="weston"):
    return 1024 + DESKTOP_MIB[kind] * desktops


def accelerator(wanted):
    """KVM only where the CPU has it: a /dev/kvm that opens is not enough."""
    if wanted not in ("", "kvm", "tcg"):
        raise MachineError(f"ACCEL={wanted}: kvm or tcg")
    flags = Path("/proc/cpuinfo").read_text()
    has_cpu = " vmx" in flags or " svm" in flags
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC))
        opens = True
    except OSError:
        opens = False
    if wanted == "kvm" and not (has_cpu and opens):
        reason = "the CPU reports neither vmx nor svm" if not has_cpu else "/dev/kvm cannot be opened"
        raise MachineError(f"ACCEL=kvm: {reason}")
    return wanted or ("kvm" if has_cpu and opens else "tcg")


def render_node(wanted):
    """The host GPU to draw with; none stands for Mesa's software renderer, which works everywhere."""
    if wanted in ("", "none"):
        return ""
    try:
        os.close(os.open(wanted, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        raise MachineError(f"GPU={wanted}: {error.strerror}; a render node as /dev/dri/renderD128 is needed, or none") from None
    return wanted


def hide_render_nodes():
    """QEMU takes the first render node it finds. Runs in a mount namespace of our own: nobody else loses any."""
    if any(Path("/dev/dri").glob("renderD*")):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k,mode=755", "tmpfs", "/dev/dri"], check=True, timeout=20)


class Machine:
    """One QEMU. Its sockets, logs and scratch disk are in `rundir`."""

    def __init__(self, rundir, qemu, base, initrd, desktop_image, desktops, accel, gpu="", extra=(), kind="weston"):
        self.rundir = Path(rundir)
        self.qemu = Path(qemu)
        self.base = Path(base)
        self.initrd = Path(initrd)
        self.desktop_image = Path(desktop_image)
        self.desktops = desktops
        self.kind = kind
        self.autostart = desktops   # how many the guest starts by itself
        self.clipboard = 0      # which of them has the machine's clipboard
        self.accel = accel
        self.gpu = gpu
        self.gpu_properties = ""    # of the GPU's device, beyond what every machine has
        self.control = True     # whether there is a control device
        self.extra = list(extra)
        self.environment = {}   # of QEMU, beyond ours
        self.agent = GuestAgent(self.rundir / "qga.sock")
        self.process = None
        self.started = None     # wall clock

    def kernel_command_line(self):
        # Whether timer interrupts come is tried for 40 ms, in which a busy host may have run one of QEMU's threads alone.
        words = ["root=/dev/vda", "rw", "console=ttyS0", "quiet", "systemd.show_status=0", "rd.systemd.show_status=0",
                 "no_timer_check", "mitigations=off", "panic=5", f"helix.desktops={self.autostart}"]
        if self.clipboard:
            words.append(f"helix.clipboard={self.clipboard}")
        return " ".join(words)

    def input_devices(self):
        """Keyboard, tablet and touch screen of each scanout, told apart in the guest by their serial."""
        args = []
        kinds = ("keyboard", "tablet", "multitouch")
        for n in range(1, self.desktops + 1):
            for i, kind in enumerate(kinds):
                function = len(kinds) * (n - 1) + i
                slot, sub = INPUT_SLOT + function // 8, function % 8
                many = ",multifunction=on" if sub == 0 else ""
                args += ["-device", f"virtio-{kind}-pci,serial=helix-{n},display=gpu,head={n},addr={slot:x}.{sub}{many}"]
        return args

    def command_line(self):
        run = self.rundir
        mem = memory_mib(self.desktops, self.kind)
        cpus = max(2, min(8, os.cpu_count() or 2))
        accel = "kvm" if self.accel == "kvm" else "tcg,thread=multi"
        # An emulated TLB's misses are walked by QEMU, a level at a time: four are enough.
        cpu = "host" if self.accel == "kvm" else "max,la57=off"
        return [
            str(self.qemu), "-name", "helix-lease", "-M", "q35,memory-backend=mem", "-accel", accel, "-cpu", cpu,
            "-smp", str(cpus), "-m", f"{mem}M", "-nodefaults", "-no-user-config", "-vga", "none", "-no-reboot",
            "-object", f"memory-backend-memfd,id=mem,size={mem}M,share=on",
            "-device", f"virtio-gpu-gl-pci,id=gpu,max_outputs=16,addr={GPU_SLOT:02x}.0" + (f",{self.gpu_properties}" if self.gpu_properties else ""),
            "-display", "dbus,p2p=on,gl=on" + (f",rendernode={self.gpu}" if self.gpu else ""),
            *(("-chardev", f"socket,id=helixctl,path={run}/control.sock,server=on,wait=off",
               "-device", f"helix-control,chardev=helixctl,addr={CONTROL_SLOT:02x}.0") if self.control else ()),
            "-qmp", f"unix:{run}/qmp.sock,server=on,wait=off",
            # for us: exportd's short visits are refused while another client holds the first
            "-qmp", f"unix:{run}/qmp-2.sock,server=on,wait=off",
            "-kernel", str(self.base / "vmlinuz"), "-initrd", str(self.initrd), "-append", self.kernel_command_line(),
            "-drive", f"if=none,id=root,file={self.base}/root.ext4,format=raw,snapshot=on",
            "-device", "virtio-blk-pci,drive=root,addr=08.0",
            "-drive", f"if=none,id=desktop,file={self.desktop_image},format=raw,readonly=on",
            "-device", "virtio-blk-pci,drive=desktop,addr=09.0",
            "-device", "virtio-serial-pci,addr=0a.0",
            "-chardev", f"socket,id=qga,path={run}/qga.sock,server=on,wait=off",
            "-device", "virtserialport,chardev=qga,name=org.qemu.guest_agent.0",
            # a mouse of the agent's would take the pointer of all desktops
            "-chardev", "qemu-vdagent,id=clipboard,clipboard=on,mouse=off",
            "-device", "virtserialport,chardev=clipboard,name=com.redhat.spice.0",
            # what exportd asks the guest about its leases
            "-chardev", "dbus,id=leases,name=dev.helix.lease",
            "-device", "virtserialport,chardev=leases,name=dev.helix.lease",
            "-chardev", f"file,id=console,path={run}/console.log", "-serial", "chardev:console",
            "-device", "virtio-rng-pci,addr=0b.0",
            *self.input_devices(), *self.extra,
        ]

    def start(self):
        self.rundir.mkdir(parents=True, exist_ok=True)
        for name in ("qmp.sock", "qmp-2.sock", "control.sock", "qga.sock", "console.log"):
            (self.rundir / name).unlink(missing_ok=True)
        log = open(self.rundir / "qemu.log", "wb")
        argv = self.command_line()
        if not self.gpu:
            hide_render_nodes()
        log.write((" ".join(argv) + "\n").encode())
        log.flush()
        # The scratch copy of the disk is a nameless file in TMPDIR.
        environment = dict(os.environ, TMPDIR=str(self.rundir.resolve()), **self.environment)
        self.started = time.time()
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                        env=environment, start_new_session=True)
        log.close()

    def check_alive(self):
        status = self.process.poll()
        if status is not None:
            tail = (self.rundir / "qemu.log").read_text(errors="replace").splitlines()[1:][-8:]
            raise MachineError(f"QEMU ended with status {status}: " + (" | ".join(tail) or "no message"))

    def wait_agent(self, timeout):
        self.agent.wait(timeout, self.check_alive)

    def qmp(self, command, **arguments):
        with qmp(self.rundir / "qmp-2.sock") as connection:
            return connection.call(command, 20, **arguments)

    def stop(self):
        if self.process is None:
            return
        if self.process.poll() is None:
            try:
                self.qmp("quit")
            except (RemoteError, OSError):
                self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for name in ("qmp.sock", "qmp-2.sock", "control.sock", "qga.sock"):
            (self.rundir / name).unlink(missing_ok=True)
