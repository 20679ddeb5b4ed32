"""How long the image takes to the first captured block, beside a plain Debian's start to its login prompt in the same machine."""
import os, sys

from machine import Card, Failed, Machine, main, run, wait_for
from record import CONFIG, first_block, recording

MIB = 1 << 20
# MiB: where the plain card's partitions begin and how large they are.
BOOT_AT, BOOT_SIZE, ROOT_AT, ROOT_SIZE = 4, 160, 164, 1400
SHARE = 0.6


def plain_card(archive, path, work):
    """Debian as it comes, on a card of the image's form."""
    root, fat, ext4 = (os.path.join(work, name) for name in ("plain", "plain.fat", "plain.ext4"))
    os.mkdir(root)
    run("tar", "-C", root, "--numeric-owner", "-xpf", archive)
    for name, size in ((fat, BOOT_SIZE), (ext4, ROOT_SIZE), (path, ROOT_AT + ROOT_SIZE)):
        with open(name, "wb") as out:
            out.truncate(size * MIB)
    run("mkfs.vfat", "-F", "32", fat)
    with open(os.path.join(work, "cmdline.txt"), "w") as line:
        line.write("root=/dev/vda2 ro quiet")
    kernel = next(name for name in os.listdir(os.path.join(root, "boot")) if name.startswith("vmlinuz-"))
    initrd = kernel.replace("vmlinuz-", "initrd.img-")
    for source, name in ((os.path.join(root, "boot", kernel), "kernel.img"), (os.path.join(root, "boot", initrd), "initrd.img"), (line.name, "cmdline.txt")):
        run("mcopy", "-i", fat, source, f"::{name}")
    run("mke2fs", "-q", "-F", "-t", "ext4", "-d", root, ext4)
    table = f"label: dos\nstart={BOOT_AT}MiB,size={BOOT_SIZE}MiB,type=c\nstart={ROOT_AT}MiB,size={ROOT_SIZE}MiB,type=83\n"
    run("sh", "-c", f"printf '%s' '{table}' | sfdisk --quiet '{path}'")
    for source, at in ((fat, BOOT_AT), (ext4, ROOT_AT)):
        run("dd", f"if={source}", f"of={path}", "bs=1M", f"seek={at}", "conv=notrunc,sparse", "status=none")
    run("rm", "-rf", root, fat, ext4)


def login(machine):
    """Seconds since the kernel began: when agetty was started, and the time that it has run and waited for the processor since. With
    the prompt it begins to wait for somebody."""
    wait_for("the login prompt", 600, lambda: machine.alive() and "login:" in machine.said(), 0.5)
    unit = "serial-getty@ttyAMA0.service"
    started = int(machine.sh(f"systemctl show -P ExecMainStartTimestampMonotonic {unit}")) / 1e6
    ran, waited, _ = machine.sh(f"cat /proc/$(systemctl show -P MainPID {unit})/schedstat").split()
    return started + (int(ran) + int(waited)) / 1e9


def test(image, archive, work):
    plain = os.path.join(work, "plain.img")
    plain_card(archive, plain, work)
    with Machine(Card(plain, os.path.join(work, "plain-card.img"), ROOT_AT + ROOT_SIZE + 1), work) as machine:
        debian = login(machine)
    os.remove(plain)
    card = Card(image, os.path.join(work, "card.img"))
    card.put("soundpost.ini", CONFIG)
    for start in ("the first start, when DATA is grown", "the next start"):
        with Machine(card, work, line="modules_load=snd-aloop") as machine:
            recording(machine)
            block = first_block(machine)
            print(f"{start}: first captured block {block:.1f} s after the kernel began; plain Debian's login {debian:.1f} s: {block / debian:.2f} (at most {SHARE})", flush=True)
            machine.off()
    if block > SHARE * debian:
        raise Failed(f"{start} takes {block:.1f} s to the first captured block, a plain Debian {debian:.1f} s to its login")
    print("PASS: it records before others ask who you are")


if __name__ == "__main__":
    sys.exit(main("the start", 2400, lambda work: test(sys.argv[1], sys.argv[2], work)))
