//! The exit codes are the same in the program, its help, its manual and the README.

use std::path::Path;

/// The lines of a text that begin with a number, behind what stands in front of it; and what is behind that.
fn table(text: &str, begins: &str, apart: &str) -> Vec<(u8, String)> {
    let lines = text.lines().filter_map(|line| line.trim_end_matches([' ', '|']).strip_prefix(begins));
    let pairs = lines.filter_map(|line| line.split_once(apart));
    pairs.filter_map(|(code, means)| Some((code.parse().ok()?, means.trim().to_owned()))).collect()
}

fn codes() -> Vec<(u8, String)> {
    crate::exit_codes().map(|(code, means)| (code, means.to_owned())).collect()
}

#[test]
fn the_readme_has_the_exit_codes() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let (_, behind) = readme.split_once("| exit code | means |").unwrap();
    let (rows, _) = behind.split_once("\n\n").unwrap();
    assert_eq!(table(rows, "| ", " | "), codes());
}

#[test]
fn the_help_and_the_manual_have_the_exit_codes() {
    let command = crate::command_line();
    let help = command.clone().render_long_help().to_string();
    let (_, behind) = help.split_once("Exit codes:\n").unwrap();
    assert_eq!(table(behind, "  ", "  "), codes());
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).unwrap();
    let page = String::from_utf8(page).unwrap();
    let (_, behind) = page.split_once("Exit codes:").unwrap();
    let rows: Vec<_> = codes().into_iter().map(|(code, means)| format!("{code:<3}  {means}")).collect();
    assert!(rows.iter().all(|row| behind.contains(row)), "{behind}");
}

#[test]
fn each_exit_code_means_one_thing() {
    let codes = codes();
    assert_eq!(codes.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130]);
    for (place, (_, means)) in codes.iter().enumerate() {
        assert!(!means.is_empty() && codes[..place].iter().all(|(_, other)| other != means), "{means}");
    }
}
