//! Images as PNG, in the text of a page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::colour::ColourMap;
use super::image::Image;

/// The palette's last entry is for what is blank, the others are the colour map's.
const BLANK: u8 = 255;

/// The image as a PNG with a palette, the highest frequency on top, as a `data:` address. Values from `low` to `high` span
/// the colours; those beyond take the nearer end's, and blank ones are transparent. None where there is nothing to draw.
pub fn data_uri(image: &Image, colours: ColourMap, low: f32, high: f32) -> Option<String> {
    if !image.is_drawable() {
        return None;
    }
    let scale = f32::from(BLANK - 1) / (high - low);
    let index = |&value: &f32| match value {
        v if !v.is_finite() => BLANK,
        v if scale.is_finite() => ((v - low) * scale).round().clamp(0.0, f32::from(BLANK - 1)) as u8,
        // There is no span: all in the middle.
        _ => BLANK / 2,
    };
    let rows = image.values.chunks_exact(image.columns).rev();
    let pixels: Vec<u8> = rows.flat_map(|row| row.iter().map(index)).collect();
    let png = encode(image, colours, &pixels).ok()?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

fn encode(image: &Image, colours: ColourMap, pixels: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let side = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side(image.columns), side(image.rows));
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    let place = |i: u8| f64::from(i) / f64::from(BLANK - 1);
    let palette: Vec<u8> = (0..BLANK).flat_map(|i| colours.at(place(i))).chain([0; 3]).collect();
    encoder.set_palette(palette);
    let mut opacity = vec![255; usize::from(BLANK) + 1];
    opacity[usize::from(BLANK)] = 0;
    encoder.set_trns(opacity);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::colour::MAGMA;

    fn decode(uri: &str) -> (u32, u32, Vec<u8>) {
        let bytes = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn low_frequencies_are_at_the_bottom_and_gaps_transparent() {
        let values = vec![0.0, 1.0, f32::NAN, 0.5, -9.0, 9.0];
        let image = Image { rows: 2, columns: 3, values };
        let (width, height, pixels) = decode(&data_uri(&image, MAGMA, 0.0, 1.0).unwrap());
        assert_eq!((width, height, pixels.len()), (3, 2, 24));
        let pixel = |row: usize, column: usize| &pixels[4 * (3 * row + column)..][..4];
        let of = |place: f64| {
            let [r, g, b] = MAGMA.at(place);
            [r, g, b, 255]
        };
        assert_eq!(pixel(0, 0), of(0.5));
        assert_eq!((pixel(0, 1), pixel(0, 2)), (&of(0.0)[..], &of(1.0)[..]));
        assert_eq!((pixel(1, 0), pixel(1, 1)), (&of(0.0)[..], &of(1.0)[..]));
        assert_eq!(pixel(1, 2)[3], 0);
    }

    #[test]
    fn nothing_to_draw_draws_nothing() {
        let blank = Image { rows: 1, columns: 2, values: vec![f32::NAN; 2] };
        let short = Image { rows: 3, columns: 2, values: vec![1.0; 2] };
        for image in [Image::default(), blank, short] {
            assert_eq!(data_uri(&image, MAGMA, 0.0, 1.0), None);
        }
        // All values equal, and bounds that are no numbers.
        let flat = Image { rows: 1, columns: 1, values: vec![2.0] };
        for (low, high) in [(2.0, 2.0), (f32::NAN, 1.0)] {
            assert_eq!(decode(&data_uri(&flat, MAGMA, low, high).unwrap()).2[3], 255);
        }
    }
}
