//! The programs of the README's library section are those that the library's documentation runs.

/// The code blocks of a text in Markdown.
fn blocks(markdown: &str) -> Vec<String> {
    let parts = markdown.split("```").skip(1).step_by(2);
    // What stands behind the fence names the language.
    parts.map(|block| block.split_once('\n').map_or("", |(_, code)| code).to_string()).collect()
}

#[test]
fn the_readme_shows_what_the_documentation_runs() {
    let documentation: String = include_str!("../src/lib.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        // What rustdoc runs and does not show.
        .filter(|line| !line.starts_with("#   "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let readme = include_str!("../README.md");
    let section = readme.split("\n## ").find(|section| section.starts_with("As a library")).unwrap();
    let programs = blocks(&documentation);
    assert_eq!(programs.len(), 3);
    let shown: Vec<String> = blocks(section).into_iter().filter(|block| block.contains("fn main")).collect();
    assert_eq!(shown, programs);
}
