#[test]
fn centroid() {}
