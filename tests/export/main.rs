//! Exported models, run by what they were exported for.

#[cfg(unix)]
mod chromium;
#[cfg(unix)]
mod html;
