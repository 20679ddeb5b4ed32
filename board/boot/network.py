"""Wi-Fi in the air of one kernel (mac80211_hwsim): the box joins the network of wifi.txt, opens its own when that is gone, serves its
page there, and goes back; and the recorder never notices."""
import os, sys, time

from machine import Card, Failed, Machine, main
from record import CONFIG, recording

WIFI = "ssid = Hütte im Wald\r\npassword = einfach genug\r\ncountry = DE\r\n"
# Another machine: the second radio, in a network of its own.
OTHER = """modprobe mac80211_hwsim radios=2
ip netns add air
other=$(ls /sys/class/net | grep wlan | tail -n 1)
iw phy $(cat /sys/class/net/$other/phy80211/name) set netns name air
ip netns exec air ip link set lo up
echo $other
"""
ACCESS_POINT = """cat >/run/ap.conf <<END
network={
  ssid=%s
  mode=2
  frequency=2437
  key_mgmt=WPA-PSK
  proto=RSN
  psk="einfach genug"
}
END
ip netns exec air wpa_supplicant -B -P /run/ap.pid -i %s -c /run/ap.conf
ip netns exec air ip address replace 192.168.77.1/24 dev %s
ip netns exec air dnsmasq --conf-file=/dev/null --no-resolv --port=0 --interface=%s --dhcp-range=192.168.77.10,192.168.77.20 --dhcp-leasefile=/run/ap.leases --pid-file=/run/ap.dnsmasq
"""
GUEST = """cat >/run/guest.conf <<END
network={
  ssid="%s"
  key_mgmt=WPA-PSK
  psk="%s"
}
END
ip netns exec air ip address flush dev %s
ip netns exec air wpa_supplicant -B -P /run/guest.pid -i %s -c /run/guest.conf
"""


def frames(machine):
    """The recorder's own count; and it has lost nothing."""
    text = machine.sh("cat /run/soundpost/status.txt", check=False)
    line = next((line for line in text.splitlines() if line.startswith("source mic: recording")), "")
    if ", 0 gaps, 0 overruns" not in line:
        raise Failed(f"the recorder says: {text}")
    return line


def test(image, work):
    card = Card(image, os.path.join(work, "card.img"))
    card.put("soundpost.ini", CONFIG)
    card.put("wifi.txt", WIFI)
    with Machine(card, work, line="modules_load=snd-aloop") as machine:
        machine.cable(False)
        machine.until("the recorder records", 240, "grep -q '^recording: yes' /run/soundpost/status.txt")
        machine.until("the network's manager runs", 180, "systemctl is-active soundpost-network.service")
        other = machine.sh(OTHER).split()[-1]
        machine.sh(ACCESS_POINT % ("Hütte im Wald".encode().hex(), other, other, other))
        began = time.monotonic()
        machine.until("the box joins the network of wifi.txt", 180, "ip -4 address show dev wlan0 | grep -q 192.168.77.")
        print(f"in the network of wifi.txt {time.monotonic() - began:.0f} s after it was in the air", flush=True)
        machine.sh("ip netns exec air ping -c 1 -W 5 $(ip -4 -brief address show dev wlan0 | awk '{ sub(\"/.*\", \"\", $3); print $3 }')")
        if "off" not in (power := machine.sh("iw dev wlan0 get power_save")):
            raise Failed(f"{power}")
        before = frames(machine)

        machine.sh("kill $(cat /run/ap.pid) $(cat /run/ap.dnsmasq)")
        began = time.monotonic()
        machine.until("the hotspot opens", 360, "nmcli -t -f CONNECTION device | grep -qx hotspot && iw dev wlan0 info | grep -q 'type AP'", 5)
        print(f"own hotspot {time.monotonic() - began:.0f} s after the network was gone", flush=True)
        name = machine.sh("hostname").strip()
        machine.until("STATUS.TXT tells its password", 120, "grep -q '^hotspot: open' /boot/firmware/STATUS.TXT")
        told = machine.sh("sed -n 's/^hotspot name and password: //p' /boot/firmware/STATUS.TXT").replace("\r", "").strip()
        password = told.removeprefix(f"{name} ")
        if len(password) != 10 or told == password:
            raise Failed(f"STATUS.TXT tells {told!r}")
        machine.sh(GUEST % (name, password, other, other))
        machine.until("a guest is let in", 120, f"ip netns exec air wpa_cli -i {other} status | grep -q wpa_state=COMPLETED || iw dev wlan0 station dump | grep -q 'authorized:.*yes'")
        machine.sh(f"ip netns exec air busybox udhcpc -i {other} -n -q -t 10 -s /bin/true", 90)
        machine.sh(f"ip netns exec air ip address replace 10.42.0.77/24 dev {other}")
        page = machine.sh("ip netns exec air busybox wget -q -O - http://10.42.0.1/", 90)
        if "<html" not in page.lower():
            raise Failed(f"the page at the hotspot: {page[:300]}")
        print(f"a guest got an address and the page at http://10.42.0.1, network {name}", flush=True)

        machine.sh("kill $(cat /run/guest.pid)")
        machine.sh(ACCESS_POINT % ("Hütte im Wald".encode().hex(), other, other, other))
        began = time.monotonic()
        machine.until("the box goes back to the known network", 420, "ip -4 address show dev wlan0 | grep -q 192.168.77.", 5)
        print(f"back {time.monotonic() - began:.0f} s after it was in sight again", flush=True)
        after = frames(machine)
        print(f"the recorder before: {before}\nand after:           {after}")
        machine.off()
    print("PASS: Wi-Fi, hotspot and back, and no sample lost")


if __name__ == "__main__":
    sys.exit(main("the network", 3600, lambda work: test(sys.argv[1], work)))
