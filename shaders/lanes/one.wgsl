// An invocation computes one element.
alias Value = f32;
const LANES = 1u;

