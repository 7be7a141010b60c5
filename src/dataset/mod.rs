//! Folders of songs as labelled examples.
