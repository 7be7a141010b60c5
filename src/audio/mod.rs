//! Songs as samples: decode, resample, normalise, frame.
