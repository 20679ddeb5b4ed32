"""The rig's virtual machine: started, spoken to over forwarded ports of 127.0.0.1, and ended by its process id whatever happens."""
import ctypes, json, os, re, shutil, signal, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

PAGE, COMMANDS = 8080, 8081


class Failed(Exception):
    """What is wrong, as one sentence."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, seconds, ready, every=0.1):
    """What `ready` answers as soon as it is true; no answer (a refused connection, half a reply) is none yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            if answer := ready():
                return answer
        except (OSError, ValueError):
            pass
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds} s")
        time.sleep(every)


def run(*command, codes=(0,), **options):
    """A program of this machine, which must end well."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, **options)
    if done.returncode not in codes:
        said = (done.stderr + done.stdout).decode(errors="replace").strip()
        raise Failed(f"{command[0]} {command[1] if len(command) > 1 else ''} ended with {done.returncode}: {said[-800:]}")
    return done


def _dies_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


# Two processors, as fast as this machine can make them.
FAST = ("-smp", "2", "-accel", "tcg,thread=multi")
# One, whose clock goes on by a nanosecond with each instruction, and at once to the next timer when there is nothing to do.
COUNTED = ("-smp", "1", "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off")
# One, as slow inside on a machine with much to do as on an idle one: its clock goes on with its instructions, and waits when it waits.
STEADY = ("-smp", "1", "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=on")


class Emulator:
    """A machine of QEMU's: its console, its page, its monitor. Whoever inherits starts it: `process`, `console`, `page_port`, `qmp_path`."""

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(f"--- the end of the VM's console\n{self.said()[-3000:]}\n---", file=sys.stderr)
        self.kill()

    def kill(self):
        """As if the plug were pulled."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if not self.process.stderr.closed:
            self.process.stderr.close()

    def said(self):
        with open(self.console, errors="replace") as console:
            return console.read()

    def alive(self):
        if self.process.poll() is not None:
            raise Failed(f"the VM ended with {self.process.returncode}: {self.process.stderr.read().decode(errors='replace').strip()}")
        return True

    def get(self, path, seconds=30):
        """The page's answer, whole. Who is told to come again in a moment does so, for a while."""
        end = time.monotonic() + seconds
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.page_port}{path}", timeout=seconds) as reply:
                    return reply.read()
            except urllib.error.HTTPError as error:
                if error.code != 503 or time.monotonic() > end:
                    raise Failed(f"{path} is answered with {error.code}: {error.read()[:300]!r}") from error
            time.sleep(0.2)

    def json(self, path):
        return json.loads(self.get(path))

    def source(self, name):
        """A source in the recorder's status."""
        return next(source for source in self.json("/api/status")["sources"] if source["name"] == name)

    def qmp(self, command, **arguments):
        """Something of QEMU itself, such as device_add."""
        def connected():
            self.alive()
            monitor = socket.socket(socket.AF_UNIX)
            monitor.settimeout(30)
            monitor.connect(self.qmp_path)
            return monitor
        with wait_for("QEMU listens", 30, connected) as monitor:
            lines = monitor.makefile("rw")
            lines.readline()
            answer = {}
            for order in ({"execute": "qmp_capabilities"}, {"execute": command, "arguments": arguments}):
                lines.write(json.dumps(order) + "\n")
                lines.flush()
                answer = json.loads(lines.readline())
                while "event" in answer:
                    answer = json.loads(lines.readline())
            if "error" in answer:
                raise Failed(f"QEMU refuses {command}: {answer['error']['desc']}")
            return answer["return"]


class VM(Emulator):
    """`rig` is what board/rig.sh made, `config` the text of soundpost.ini, `line` what the kernel is told, `devices` more of QEMU."""

    def __init__(self, rig, work, config, line="", devices=(), processors=FAST):
        self.page_port, self.port = free_port(), free_port()
        self.console = os.path.join(work, "console")
        self.qmp_path = os.path.join(work, "qmp")
        image = os.path.join(work, "initramfs")
        with open(image, "wb") as out, open(os.path.join(rig, "initramfs"), "rb") as base:
            shutil.copyfileobj(base, out)
            out.write(_cpio("etc/soundpost.ini", config.encode()))
        forward = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{there}" for here, there in ((self.page_port, PAGE), (self.port, COMMANDS)))
        command = ["qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15", *processors, "-m", "256",
                   "-display", "none", "-no-reboot", "-serial", f"file:{self.console}", "-qmp", f"unix:{self.qmp_path},server=on,wait=off",
                   "-kernel", os.path.join(rig, "kernel"), "-initrd", image,
                   "-append", f"console=ttyAMA0 quiet panic=-1 {line}",
                   "-netdev", f"user,id=net,restrict=on{forward}", "-device", "virtio-net-pci,netdev=net,romfile=",
                   "-device", "virtio-rng-pci", *devices]
        open(self.console, "w").close()
        self.started = time.monotonic()
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        preexec_fn=_dies_with_parent)

    def told(self, word, seconds):
        """The number behind `RIG word` on the console."""
        def ready():
            if "RIG failed" in self.said():
                raise Failed("the VM could not start what it was told to")
            self.alive()
            return re.search(rf"^RIG {word} ([\d.]+)", self.said(), re.M)
        return float(wait_for(f"the VM says '{word}'", seconds, ready, 0.02).group(1))

    def sh(self, script, seconds=30):
        """What a shell script says inside."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/cgi-bin/command", script.encode())
        with urllib.request.urlopen(request, timeout=seconds) as reply:
            return reply.read().decode(errors="replace")

    def memory(self):
        """Resident memory of the recorder in KiB: all of it, and what is its own; and the most there was."""
        text = self.sh("cat /proc/$(cat /run/recorder.pid)/status")
        return tuple(int(re.search(rf"^{key}:\s+(\d+) kB", text, re.M).group(1)) for key in ("VmRSS", "RssAnon", "VmHWM"))

    def sectors_written(self, disk="vda"):
        return int(self.sh(f"cat /sys/block/{disk}/stat").split()[6])


def _cpio(name, content):
    """An archive of one file, that the kernel unpacks over those before it."""
    def entry(name, content, mode):
        fields = [1, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
        return head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)
    whole = entry(name, content, 0o100644) + entry("TRAILER!!!", b"", 0)
    return whole + bytes(-len(whole) % 512)


def main(what, seconds, job):
    """Runs a test with a limit of time, in a scratch folder; says what failed, in a line, and answers with the exit code."""
    def stop(number, _):
        raise Failed("it takes longer than its limit" if number == signal.SIGALRM else "it was ended")
    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)
    signal.alarm(seconds)
    # A disk's syncs must cost what they cost: not below a /tmp that is memory, if it can be helped.
    work = tempfile.mkdtemp(prefix="soundpost-rig-", dir="/var/tmp")
    try:
        job(work)
        return 0
    except (Failed, OSError, ValueError) as why:
        print(f"FAIL: {what}: {why}", file=sys.stderr)
        return 1
    finally:
        signal.alarm(0)
        shutil.rmtree(work, ignore_errors=True)
