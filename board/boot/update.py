"""Updates: a wrong signature is refused; a program that does not record is taken back, also over a start; a good one stays."""
import os, sys, time

from machine import Card, Failed, Machine, main, wait_for
from record import CONFIG, recording

PROGRAMS = "/data/system/programs"


def running(machine):
    """The program that records."""
    return machine.sh("readlink /proc/$(systemctl show -P MainPID soundpost.service)/exe", check=False).strip()


def back(machine, seconds=900):
    """The image's own program records again, and nothing is left of the trial."""
    machine.until("the program before it is back", seconds, f"[ ! -e {PROGRAMS}/trial ] && [ ! -e {PROGRAMS}/current ]")
    wait_for("it runs", 60, lambda: running(machine) == "/usr/bin/soundpost", 1)
    recording(machine)


def test(image, good, useless, forged, work):
    card = Card(image, os.path.join(work, "card.img"))
    card.put("soundpost.ini", CONFIG)
    for name, path in (("good.tar", good), ("useless.tar", useless), ("forged.tar", forged)):
        with open(path, "rb") as content:
            card.put(name, content.read())

    with Machine(card, work, line="modules_load=snd-aloop") as machine:
        recording(machine)
        said = machine.sh("soundpost-update /boot/firmware/forged.tar; echo $?").strip()
        if not said.endswith("\n1") or "signature" not in said:
            raise Failed(f"a wrong signature is answered with: {said}")
        machine.sh(f"[ ! -e {PROGRAMS}/current ] && [ -z \"$(ls {PROGRAMS})\" ]")
        print(f"a wrong signature: {said.splitlines()[-2]}", flush=True)

        machine.sh("soundpost-update /boot/firmware/useless.tar", 120)
        machine.sh(f"[ -e {PROGRAMS}/trial ] && [ -x {PROGRAMS}/current/soundpost ]")
        began = time.monotonic()
        back(machine)
        print(f"a program that does not record: the one before it was back after {time.monotonic() - began:.0f} s", flush=True)

        machine.sh("soundpost-update /boot/firmware/useless.tar", 120)
        time.sleep(20)
        machine.kill()
    with Machine(card, work, line="modules_load=snd-aloop") as machine:
        back(machine, 1200)
        print("over a power cut in those two minutes, too", flush=True)
        machine.sh("mount -o remount,rw /boot/firmware && mv /boot/firmware/good.tar /boot/firmware/soundpost-update-next.tar && "
                   "mount -o remount,ro /boot/firmware && systemctl start soundpost-update.service", 120)
        machine.until("the good one is kept", 600, f"[ ! -e {PROGRAMS}/trial ] && [ -e {PROGRAMS}/current ]")
        where = running(machine)
        if where != f"{PROGRAMS}/0.1.0+next/soundpost":
            raise Failed(f"{where} records")
        recording(machine)
        machine.sh("[ ! -e /boot/firmware/soundpost-update-next.tar ]")
        machine.until("STATUS.TXT tells it", 120, "grep -q 'update to 0.1.0+next records and is kept' /boot/firmware/STATUS.TXT")
        machine.off()
    with Machine(card, work, line="modules_load=snd-aloop") as machine:
        recording(machine)
        if running(machine) != f"{PROGRAMS}/0.1.0+next/soundpost":
            raise Failed(f"after a start {running(machine)} records")
        machine.off()
    print("PASS: a good update from the card stays over a start")


if __name__ == "__main__":
    sys.exit(main("updates", 5400, lambda work: test(*sys.argv[1:5], work)))
