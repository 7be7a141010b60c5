//! `evaluate`, and what `predict` says of songs that it is not sure of.

use super::*;

#[test]
fn predict_says_when_it_is_unsure() {
    let folder = trained().path();
    let predict = |flags: &str| {
        run(folder, &format!("predict --device cpu --model runs/music-1/best.safetensors {flags} music/tone"))
    };
    // Nothing is as certain as that.
    let ran = predict("--unsure-below 1 --top-k 2").ends(0);
    for line in ran.out.lines() {
        assert!(line.contains(".wav: unsure (tone ") && line.ends_with(" %)"), "{line}");
    }
    assert!(!predict("--unsure-below 0").ends(0).out.contains("unsure"));
    let json = |flags: &str| -> serde_json::Value {
        serde_json::from_str(&predict(&format!("--format json {flags}")).ends(0).out).unwrap()
    };
    assert_eq!(json("--unsure-below 1")[0]["unsure"], true);
    assert_eq!(json("--unsure-below 0")[0]["unsure"], false);
    let ran = predict("--format csv --top-k 1 --unsure-below 1").ends(0);
    assert!(ran.out.starts_with("path,seconds,genre1,probability1,unsure\n"), "{}", ran.out);
    assert!(ran.out.lines().skip(1).all(|row| row.ends_with(",true")), "{}", ran.out);
    for wrong in ["1.5", "-0.1", "NaN", "often"] {
        predict(&format!("--unsure-below={wrong}")).refused(&["--unsure-below", "0 to 1"]);
    }
}
