//! The manual page and the completion of the shell know every command and every option that the program has.

mod common;

use common::soundpost;

const MANUAL: &str = include_str!("../board/debian/soundpost.1");
const COMPLETION: &str = include_str!("../board/debian/soundpost.bash-completion");

fn help(words: &[&str]) -> String {
    let out = soundpost().args(words).output().expect("the program runs");
    assert!(out.status.success(), "{words:?}");
    String::from_utf8(out.stdout).expect("text")
}

/// The first words of the lines below "Commands:", without `help`.
fn commands() -> Vec<String> {
    let help = help(&["--help"]);
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    lines.filter_map(|line| line.split_whitespace().next()).filter(|word| *word != "help").map(String::from).collect()
}

fn long_options(help: &str) -> Vec<&str> {
    let words = help.lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    words.filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--"))).collect()
}

#[test]
fn every_command_and_option_is_in_the_manual_and_the_completion() {
    let commands = commands();
    assert!(commands.len() >= 11, "{commands:?}");
    let manual = MANUAL.replace('\\', "");
    let mut options = 0;
    for command in &commands {
        assert!(manual.contains(&format!("\n.B {command}")), "the manual lacks {command}");
        let mut words = COMPLETION.split(|c: char| !c.is_alphanumeric() && c != '-');
        assert!(words.any(|word| word == command), "the completion lacks {command}");
        let text = help(&[command, "--help"]);
        for option in long_options(&text).into_iter().filter(|option| *option != "--help") {
            assert!(manual.contains(option) && COMPLETION.contains(option), "{command} {option} is missing");
            options += 1;
        }
    }
    assert!(options >= 25, "{options}");
}

#[test]
fn they_are_of_this_version() {
    let version = env!("CARGO_PKG_VERSION");
    assert!(MANUAL.lines().next().expect("a title").contains(&format!("\"soundpost {version}\"")));
}
