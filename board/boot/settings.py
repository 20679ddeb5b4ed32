"""The first start: name, Wi-Fi, user, ssh, time zone from the card, by each of the ways that Raspberry Pi Imager knows; a mistake in
soundpost.ini; a clock that goes on."""
import base64, os, sys

from machine import Card, Failed, Machine, main, wait_for
from record import CONFIG, recording

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6bE2kd0p5GtQm0f0Jk1s2Zx4mJcO6cQ4s0WcYx1f3a somebody@somewhere"
HASH = "$5$saltsaltsalt$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"
PSK = "0123456789abcdef" * 4
USER_DATA = f"""#cloud-config
hostname: wood-1
manage_etc_hosts: true
timezone: Europe/Vienna
users:
- name: anna
  groups: users,adm,sudo
  shell: /bin/bash
  lock_passwd: false
  passwd: {HASH}
  ssh_authorized_keys:
    - {KEY}
ssh_pwauth: false
"""
NETWORK_CONFIG = f"""network:
  version: 2
  wifis:
    wlan0:
      dhcp4: true
      regulatory-domain: "AT"
      access-points:
        "Wald \\"Nord\\"":
          password: "{PSK}"
          hidden: true
      optional: true
"""
CUSTOM_TOML = f"""config_version = 1
[system]
hostname = "wood-2"
[user]
name = "berta"
password = "{HASH}"
password_encrypted = true
[ssh]
enabled = true
password_authentication = false
authorized_keys = [ "{KEY}", "{KEY}2" ]
[wlan]
ssid = "Wiese"
password = "einfach genug"
hidden = false
country = "DE"
[locale]
keymap = "de"
timezone = "Europe/Berlin"
"""
FIRSTRUN = f"""#!/bin/bash
set +e
if [ -f /usr/lib/raspberrypi-sys-mods/imager_custom ]; then
   /usr/lib/raspberrypi-sys-mods/imager_custom set_hostname wood-3
fi
   /usr/lib/raspberrypi-sys-mods/imager_custom enable_ssh -k '{KEY}3'
   /usr/lib/userconf-pi/userconf 'carla' '{HASH}'
   /usr/lib/raspberrypi-sys-mods/imager_custom set_wlan  -h 'Moor'\\''s' '{PSK}' 'CH'
   /usr/lib/raspberrypi-sys-mods/imager_custom set_timezone 'Europe/Zurich'
rm -f /boot/firstrun.sh
exit 0
"""
WIFI = "# mine\r\nssid = H\u00fctte\r\npassword = a \\ b # c\r\nssid = open air\r\ncountry = gb\r\nhotspot_password = waldwaldwald\r\n"
BROKEN = CONFIG.replace("sample_rate = 48000", "sample_rate = fast")


def same(what, found, expected):
    if found != expected:
        raise Failed(f"{what}: {found!r} instead of {expected!r}")


def profile(machine, ssid):
    return machine.sh(f"cat /data/system/secret/network/wifi-{ssid.encode().hex()}.nmconnection")


def take(machine, files):
    """As if they had been on the card at the start."""
    script = "mount -o remount,rw /boot/firmware\n"
    for name, content in files.items():
        coded = base64.encodebytes(content.encode()).decode()
        script += f"base64 -d >/boot/firmware/{name} <<'END'\n{coded}END\n"
    machine.sh(script + "mount -o remount,ro /boot/firmware\nsystemctl restart soundpost-settings.service", 120)


def private(machine):
    """Nobody but root reads what is secret, and nothing of it is left on the card."""
    if wrong := machine.sh("find /data/system/secret -perm /077 ! -name '*.pub'"):
        raise Failed(f"others can read {wrong}")
    left = machine.sh("ls /boot/firmware")
    for name in ("custom.toml", "firstrun.sh", "user-data", "network-config", "userconf.txt", "ssh\n"):
        if name in left:
            raise Failed(f"{name} is still on the card")
    if machine.sh("tr -d '\\r' </boot/firmware/wifi.txt | grep -c '^[^#]'", check=False).strip() != "0":
        raise Failed("wifi.txt has still something in it")


def test(image, work):
    card = Card(image, os.path.join(work, "card.img"))
    for name, content in (("soundpost.ini", CONFIG), ("user-data", USER_DATA), ("network-config", NETWORK_CONFIG), ("meta-data", "")):
        card.put(name, content)

    with Machine(card, work, line="modules_load=snd-aloop") as machine:
        recording(machine)
        same("the name", machine.sh("hostname").strip(), "wood-1")
        same("the time zone", machine.sh("readlink /etc/localtime").strip(), "/usr/share/zoneinfo/Europe/Vienna")
        wait_for("the user is there", 120, lambda: machine.sh("getent shadow anna", check=False).startswith(f"anna:{HASH}:"))
        machine.until("ssh answers", 180, "ss -ltn | grep -q ':22 '")
        same("the user's key", machine.sh("cat /data/home/anna/.ssh/authorized_keys").strip(), KEY)
        found = profile(machine, 'Wald "Nord"')
        if f"psk={PSK}" not in found or "hidden=true" not in found:
            raise Failed(f"the Wi-Fi of network-config became {found}")
        same("the country", machine.sh("cat /data/system/country").strip(), "AT")
        if machine.sh("getent shadow root").split(":")[1][:1] not in ("*", "!"):
            raise Failed("root may log in")
        private(machine)
        names = machine.sh("stat -c '%a %U:%G' /data/system/settings/soundpost.ini").strip()
        same("who reads soundpost.ini", names, "640 soundpost:soundpost")
        machine.sh("echo '# of the page' >>/data/system/settings/soundpost.ini && systemctl start soundpost-status.service")
        if "# of the page" not in machine.sh("tail -n 1 /boot/firmware/soundpost.ini"):
            raise Failed("what the page changed is not on the card")
        print("Imager's user-data and network-config are honoured: name, zone, user, key, ssh, Wi-Fi, country", flush=True)

        take(machine, {"custom.toml": CUSTOM_TOML})
        same("the name of custom.toml", machine.sh("hostname").strip(), "wood-2")
        if "psk=einfach genug" not in profile(machine, "Wiese"):
            raise Failed("the Wi-Fi of custom.toml is not there")
        same("its user", machine.sh("cat /data/system/secret/user").strip(), f"berta:{HASH}")
        same("its keys", machine.sh("tail -n 1 /data/system/secret/authorized_keys").strip(), f"{KEY}2")
        same("its zone", machine.sh("cat /data/system/timezone").strip(), "Europe/Berlin")
        private(machine)
        take(machine, {"firstrun.sh": FIRSTRUN})
        same("the name of firstrun.sh", machine.sh("hostname").strip(), "wood-3")
        if f"psk={PSK}" not in profile(machine, "Moor's") or "hidden=true" not in profile(machine, "Moor's"):
            raise Failed("the Wi-Fi of firstrun.sh is not there")
        same("its user", machine.sh("cat /data/system/secret/user").strip(), f"carla:{HASH}")
        same("its country", machine.sh("cat /data/system/country").strip(), "CH")
        take(machine, {"wifi.txt": WIFI, "userconf.txt": f"dora:{HASH}\n"})
        if "psk=a \\\\ b # c\n" not in profile(machine, "H\u00fctte") or "psk" in profile(machine, "open air"):
            raise Failed("the networks of wifi.txt are not there: " + profile(machine, "H\u00fctte"))
        same("its country", machine.sh("cat /data/system/country").strip(), "GB")
        same("its hotspot", machine.sh("cat /data/system/secret/hotspot").strip(), "waldwaldwald")
        same("the user of userconf.txt", machine.sh("cat /data/system/secret/user").strip(), f"dora:{HASH}")
        private(machine)
        print("custom.toml, firstrun.sh, wifi.txt and userconf.txt are honoured, and leave the card", flush=True)
        machine.off()

    card.put("soundpost.ini", BROKEN)
    with Machine(card, work, line="modules_load=snd-aloop", devices=("-rtc", "base=2020-01-01T00:00:00")) as machine:
        recording(machine)
        year = machine.sh("date +%Y").strip()
        if int(year) < 2026:
            raise Failed(f"the clock stands at {year}, before it was stopped")
        machine.until("STATUS.TXT tells the mistake", 180,
                      "grep -q '^soundpost.ini:[0-9]*: sample_rate = fast' /boot/firmware/STATUS.TXT && grep -q '^recording: yes' /boot/firmware/STATUS.TXT")
        same("the user is there again", machine.sh("id -un dora", check=False).strip(), "dora")
        print(machine.sh("cat /boot/firmware/STATUS.TXT").replace("\r", ""), flush=True)
        machine.off()
    print("PASS: the first start, and a mistake that stops nothing")


if __name__ == "__main__":
    sys.exit(main("settings", 3600, lambda work: test(sys.argv[1], work)))
