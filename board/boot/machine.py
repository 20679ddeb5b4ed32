"""A card with the image in a virtual board: the image itself is never changed, and has nothing in it that a test needs.

The kernel and the initrd are those of the card's BOOT partition, its command line that of cmdline.txt; to it the test adds a console
of QEMU's own, at which systemd starts a root shell (systemd.debug_shell): who holds the kernel's line holds the machine anyway.
"""
import json, os, re, socket, subprocess, sys, time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "rig"))
from vm import Emulator, Failed, _dies_with_parent, free_port, main, run, wait_for  # noqa: E402,F401

BOOT, ROOT, DATA = 1, 2, 3
# The board's clock counts instructions, 2 ns each (about one core of a Zero 2 W): what a boot takes is the same on a machine that has
# other work as well, and a sound card is never faster than the board.
SHIFT = 1


class Card:
    """A copy of the image on a card that is larger."""

    def __init__(self, image, path, megabytes=1024):
        self.path = path
        run("cp", "--sparse=always", image, path)
        os.truncate(path, megabytes << 20)

    def partition(self, number):
        """Start and size in bytes."""
        table = json.loads(run("sfdisk", "--json", self.path).stdout)["partitiontable"]["partitions"]
        return table[number - 1]["start"] * 512, table[number - 1]["size"] * 512

    def fat(self):
        return f"{self.path}@@{self.partition(BOOT)[0]}"

    def put(self, name, content):
        with open(f"{self.path}.put", "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        run("mcopy", "-o", "-i", self.fat(), f"{self.path}.put", f"::{name}")

    def get(self, name):
        """None if it is not there."""
        done = subprocess.run(["mcopy", "-n", "-i", self.fat(), f"::{name}", f"{self.path}.got"], stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode != 0:
            return None
        with open(f"{self.path}.got", "rb") as got:
            content = got.read()
        os.remove(f"{self.path}.got")
        return content

    def cut_out(self, number, path):
        start, size = self.partition(number)
        run("dd", f"if={self.path}", f"of={path}", "bs=1M", f"skip={start}", f"count={size}", "iflag=skip_bytes,count_bytes,fullblock",
            "conv=sparse", "status=none")
        return path


class Machine(Emulator):
    """`signal` is a file that becomes /dev/vdb, `line` more for the kernel, `ethernet` whether a cable is in."""

    def __init__(self, card, work, signal=None, line="", devices=()):
        self.card, self.page_port = card, free_port()
        self.console = os.path.join(work, "console")
        self.shell_path, self.qmp_path = os.path.join(work, "shell"), os.path.join(work, "qmp")
        for name in ("kernel.img", "initrd.img"):
            content = card.get(name)
            if content is None:
                raise Failed(f"the card has no {name}")
            with open(os.path.join(work, name), "wb") as out:
                out.write(content)
        own = " ".join(word for word in card.get("cmdline.txt").decode().split() if not word.startswith("console="))
        command = ["qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15", "-smp", "1", "-m", "512",
                   "-accel", "tcg,thread=single", "-icount", f"shift={SHIFT}", "-display", "none", "-no-reboot", "-serial", f"file:{self.console}",
                   "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
                   "-kernel", os.path.join(work, "kernel.img"), "-initrd", os.path.join(work, "initrd.img"),
                   "-append", f"{own} console=ttyAMA0 systemd.debug_shell=1 systemd.default_debug_tty=hvc0 "
                   f"systemd.mask=serial-getty@hvc0.service {line}",
                   "-drive", f"file={card.path},format=raw,if=none,id=card", "-device", "virtio-blk-pci,drive=card",
                   "-netdev", f"user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{self.page_port}-:80",
                   "-device", "virtio-net-pci,netdev=net,romfile=,id=cable", "-device", "virtio-rng-pci",
                   "-chardev", f"socket,id=shell,path={self.shell_path},server=on,wait=off", "-device", "virtio-serial-pci",
                   "-device", "virtconsole,chardev=shell", *devices]
        if signal:
            command += ["-drive", f"file={signal},format=raw,if=none,id=signal,readonly=on", "-device", "virtio-blk-pci,drive=signal"]
        for path in (self.shell_path, self.qmp_path):
            if os.path.exists(path):
                os.remove(path)
        open(self.console, "w").close()
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        preexec_fn=_dies_with_parent)
        self.line = None

    def kill(self):
        if self.line:
            self.line.close()
            self.line = None
        super().kill()

    def _connect(self):
        self.alive()
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(2)
        line.connect(self.shell_path)
        line.sendall(b"\nexec env -i TERM=dumb PATH=$PATH sh\nstty -echo; PS1=; PS2=; echo re''ady\n")
        heard = b""
        try:
            while b"ready" not in heard:
                heard += line.recv(4096)
        except OSError:
            line.close()
            raise
        time.sleep(0.5)
        line.setblocking(False)
        try:
            while line.recv(4096):
                pass
        except BlockingIOError:
            pass
        return line

    def sh(self, script, seconds=60, check=True):
        """What a script says inside; it must end well unless `check` is false."""
        if self.line is None:
            self.line = wait_for("a shell in the machine", 600, self._connect, 1)
        mark = f"end{time.monotonic_ns()}"
        text = "".join(f"{line}\n" for line in script.splitlines())
        self.line.settimeout(5)
        self.line.sendall(f"(\n{text}) 2>&1 </dev/null; echo {mark[:3]}''{mark[3:]} $?\n".encode())
        heard, end = "", time.monotonic() + seconds
        while not (found := re.search(rf"{mark} (\d+)\r?\n", heard)):
            self.alive()
            if time.monotonic() > end:
                raise Failed(f"not within {seconds} s: {script.strip()[:200]}: {heard[-500:]}")
            try:
                heard += self.line.recv(65536).decode(errors="replace")
            except TimeoutError:
                continue
        said = heard[:found.start()].replace("\r\n", "\n")
        if check and found.group(1) != "0":
            raise Failed(f"ends with {found.group(1)}: {script.strip()[:300]}: {said[-1500:]}")
        return said

    def until(self, what, seconds, script, every=2):
        """Until a script ends well inside."""
        return wait_for(what, seconds, lambda: self.sh(f"({script}) && echo well", check=False).rstrip().endswith("well"), every)

    def cable(self, plugged):
        self.qmp("set_link", name="cable", up=plugged)

    def off(self, seconds=120):
        """Shut down as by its power button."""
        self.sh("systemctl poweroff --no-block", check=False)
        self.process.wait(seconds)
