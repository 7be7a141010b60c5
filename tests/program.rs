//! Songs, datasets and the command line in one program, so that its tests link once and run side by side.

mod common;

#[path = "audio/main.rs"]
mod audio;
#[path = "command_line/main.rs"]
mod command_line;
#[path = "dataset/main.rs"]
mod dataset;
#[path = "demo.rs"]
mod demo;
#[path = "download/main.rs"]
mod download;
#[path = "export/main.rs"]
mod export;
#[path = "import.rs"]
mod import;
#[path = "label/main.rs"]
mod label;
#[path = "library.rs"]
mod library;
#[path = "readme.rs"]
mod readme;
