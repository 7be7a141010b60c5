//! Songs as samples: decode, resample, normalise, frame.

pub mod wav;
