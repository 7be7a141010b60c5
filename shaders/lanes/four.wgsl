// An invocation computes four elements.
alias Value = vec4<f32>;
const LANES = 4u;

