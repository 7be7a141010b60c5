//! `dataset download` as its user meets it: with a stand-in for yt-dlp, and with yt-dlp itself against a web server on
//! loopback. The real one is taken from YT_DLP or the path; without it those tests say so and pass, unless
//! REQUIRE_YT_DLP=1.
#![cfg(unix)]

mod fake;
mod program;
mod real;
mod server;
