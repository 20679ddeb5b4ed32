//! What the kernel tells of the board: how hot it is, whether its supply is too weak, how well it hears its wireless network.
//!
//! Small files below `/sys` and `/proc`; what a machine has none of is not known. The root is an argument, so that a test can
//! make a tree of its own.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What these files hold is a few lines.
const MOST_BYTES: u64 = 4 << 10;
/// Sensors of each kind that are looked at.
const MOST_SENSORS: usize = 32;

/// One look.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Board {
    /// Of the hottest sensor, degrees Celsius.
    pub temperature_c: Option<f64>,
    /// The supply is too weak just now.
    pub under_voltage: Option<bool>,
    pub wifi_dbm: Option<i32>,
    /// A clock module keeps the time while there is no power.
    pub has_clock: bool,
}

/// The files below `root`, which is `/`.
pub fn look(root: &Path) -> Board {
    let has_clock = !folders(&root.join("sys/class/rtc"), "rtc").is_empty();
    Board { temperature_c: temperature(root), under_voltage: under_voltage(root), wifi_dbm: wifi(root), has_clock }
}

fn temperature(root: &Path) -> Option<f64> {
    let zones = folders(&root.join("sys/class/thermal"), "thermal_zone");
    let known = zones.iter().filter_map(|zone| celsius(&read(&zone.join("temp"))?));
    known.reduce(f64::max)
}

/// Thousandths of a degree; a sensor that is not there says something impossible.
fn celsius(text: &str) -> Option<f64> {
    let degrees = f64::from(text.trim().parse::<i32>().ok()?) / 1_000.0;
    (-60.0..200.0).contains(&degrees).then_some(degrees)
}

/// The kernel's driver for the firmware's warning, else the firmware's own word.
fn under_voltage(root: &Path) -> Option<bool> {
    let sensors = folders(&root.join("sys/class/hwmon"), "hwmon");
    let board = sensors.iter().find(|sensor| read(&sensor.join("name")).is_some_and(|name| name.trim() == "rpi_volt"));
    let alarm = board.and_then(|board| read(&board.join("in0_lcrit_alarm")));
    alarm.and_then(|text| Some(text.trim().parse::<u32>().ok()? != 0)).or_else(|| {
        let text = read(&root.join("sys/devices/platform/soc/soc:firmware/get_throttled"))?;
        let bits = text.trim();
        // Bit 0: now; the others tell of other things, and of the past.
        Some(u32::from_str_radix(bits.strip_prefix("0x").unwrap_or(bits), 16).ok()? & 1 != 0)
    })
}

fn wifi(root: &Path) -> Option<i32> {
    dbm(&read(&root.join("proc/net/wireless"))?)
}

/// The level of the first interface: `wlan0: 0000   54.  -56.  -256 …` below two lines of headings.
fn dbm(text: &str) -> Option<i32> {
    let (_, values) = text.lines().skip(2).find_map(|line| line.split_once(':'))?;
    let level: i32 = values.split_whitespace().nth(2)?.trim_end_matches('.').parse().ok()?;
    // Some drivers hold it in a byte without its sign.
    let level = if (64..256).contains(&level) { level - 256 } else { level };
    (-150..0).contains(&level).then_some(level)
}

fn folders(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let is_one = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(prefix));
    entries.map(|entry| entry.path()).filter(is_one).take(MOST_SENSORS).collect()
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADINGS: &str = "Inter-| sta-|   Quality        |   Discarded packets               | Missed | WE\n face | tus | link \
                            level noise |  nwid  crypt   frag  retry   misc | beacon | 22\n";

    /// A tree of these files; what is seen in it.
    fn seen(files: &[(&str, &str)]) -> Board {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(path, text).expect("written");
        }
        look(root.path())
    }

    #[test]
    fn a_board_tells() {
        let wireless = format!("{HEADINGS} wlan0: 0000   54.  -56.  -256        0      0      0      0     12        0\n");
        let board = seen(&[
            ("sys/class/thermal/thermal_zone0/temp", "48312\n"),
            ("sys/class/thermal/thermal_zone1/temp", "61500\n"),
            ("sys/class/thermal/cooling_device0/temp", "99000\n"),
            ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
            ("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n"),
            ("sys/class/hwmon/hwmon1/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n"),
            ("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n"),
            ("proc/net/wireless", &wireless),
            ("sys/class/rtc/rtc0/name", "rtc-ds1307 1-0068\n"),
        ]);
        let known = Board { temperature_c: Some(61.5), under_voltage: Some(false), wifi_dbm: Some(-56), has_clock: true };
        assert_eq!(board, known);
    }

    #[test]
    fn what_is_not_there_is_not_known() {
        assert_eq!(seen(&[]), Board::default());
        let odd = seen(&[
            ("sys/class/thermal/thermal_zone0/temp", "-274000\n"),
            ("sys/class/thermal/thermal_zone1/temp", "hot\n"),
            ("sys/class/hwmon/hwmon0/name", "rpi_volt\n"),
            ("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "yes\n"),
            ("proc/net/wireless", HEADINGS),
        ]);
        assert_eq!(odd, Board::default());
    }

    #[test]
    fn the_firmware_is_asked_where_the_kernel_has_no_driver() {
        let throttled = "sys/devices/platform/soc/soc:firmware/get_throttled";
        for (text, expected) in [("50005\n", Some(true)), ("0x50000", Some(false)), ("0\n", Some(false)), ("x", None)] {
            assert_eq!(seen(&[(throttled, text)]).under_voltage, expected, "{text}");
        }
    }

    #[test]
    fn levels_of_every_driver() {
        let cases = [
            ("wlan0: 0000   54.  -56.  -256 0", Some(-56)),
            ("wlp2s0: 0000   40   200   0  0", Some(-56)),
            ("wlan0: 0000   54.", None),
            ("wlan0: 0000   54.  0. 0", None),
            ("wlan0: 0000   54.  -56x 0", None),
            ("wlan0 0000   54.  -56. 0", None),
        ];
        for (line, expected) in cases {
            assert_eq!(dbm(&format!("{HEADINGS}{line}\n")), expected, "{line}");
        }
    }
}
