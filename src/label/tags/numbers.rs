//! The genres that ID3v1 numbers: 80 of its own, and those that Winamp added.

/// By number.
pub const NAMES: [&str; 192] = [
    "Blues",
    "Classic Rock",
    "Country",
    "Dance",
    "Disco",
    "Funk",
    "Grunge",
    "Hip-Hop",
    "Jazz",
    "Metal",
    "New Age",
    "Oldies",
    "Other",
    "Pop",
    "R&B",
    "Rap",
    "Reggae",
    "Rock",
    "Techno",
    "Industrial",
    "Alternative",
    "Ska",
    "Death Metal",
    "Pranks",
    "Soundtrack",
    "Euro-Techno",
    "Ambient",
    "Trip-Hop",
    "Vocal",
    "Jazz+Funk",
    "Fusion",
    "Trance",
    "Classical",
    "Instrumental",
    "Acid",
    "House",
    "Game",
    "Sound Clip",
    "Gospel",
    "Noise",
    "Alt. Rock",
    "Bass",
    "Soul",
    "Punk",
    "Space",
    "Meditative",
    "Instrumental Pop",
    "Instrumental Rock",
    "Ethnic",
    "Gothic",
    "Darkwave",
    "Techno-Industrial",
    "Electronic",
    "Pop-Folk",
    "Eurodance",
    "Dream",
    "Southern Rock",
    "Comedy",
    "Cult",
    "Gangsta Rap",
    "Top 40",
    "Christian Rap",
    "Pop/Funk",
    "Jungle",
    "Native American",
    "Cabaret",
    "New Wave",
    "Psychedelic",
    "Rave",
    "Showtunes",
    "Trailer",
    "Lo-Fi",
    "Tribal",
    "Acid Punk",
    "Acid Jazz",
    "Polka",
    "Retro",
    "Musical",
    "Rock & Roll",
    "Hard Rock",
    "Folk",
    "Folk-Rock",
    "National Folk",
    "Swing",
    "Fast-Fusion",
    "Bebop",
    "Latin",
    "Revival",
    "Celtic",
    "Bluegrass",
    "Avantgarde",
    "Gothic Rock",
    "Progressive Rock",
    "Psychedelic Rock",
    "Symphonic Rock",
    "Slow Rock",
    "Big Band",
    "Chorus",
    "Easy Listening",
    "Acoustic",
    "Humour",
    "Speech",
    "Chanson",
    "Opera",
    "Chamber Music",
    "Sonata",
    "Symphony",
    "Booty Bass",
    "Primus",
    "Porn Groove",
    "Satire",
    "Slow Jam",
    "Club",
    "Tango",
    "Samba",
    "Folklore",
    "Ballad",
    "Power Ballad",
    "Rhythmic Soul",
    "Freestyle",
    "Duet",
    "Punk Rock",
    "Drum Solo",
    "A Cappella",
    "Euro-House",
    "Dance Hall",
    "Goa",
    "Drum & Bass",
    "Club-House",
    "Hardcore",
    "Terror",
    "Indie",
    "BritPop",
    "Afro-Punk",
    "Polsk Punk",
    "Beat",
    "Christian Gangsta Rap",
    "Heavy Metal",
    "Black Metal",
    "Crossover",
    "Contemporary Christian",
    "Christian Rock",
    "Merengue",
    "Salsa",
    "Thrash Metal",
    "Anime",
    "JPop",
    "Synthpop",
    "Abstract",
    "Art Rock",
    "Baroque",
    "Bhangra",
    "Big Beat",
    "Breakbeat",
    "Chillout",
    "Downtempo",
    "Dub",
    "EBM",
    "Eclectic",
    "Electro",
    "Electroclash",
    "Emo",
    "Experimental",
    "Garage",
    "Global",
    "IDM",
    "Illbient",
    "Industro-Goth",
    "Jam Band",
    "Krautrock",
    "Leftfield",
    "Lounge",
    "Math Rock",
    "New Romantic",
    "Nu-Breakz",
    "Post-Punk",
    "Post-Rock",
    "Psytrance",
    "Shoegaze",
    "Space Rock",
    "Trop Rock",
    "World Music",
    "Neoclassical",
    "Audiobook",
    "Audio Theatre",
    "Neue Deutsche Welle",
    "Podcast",
    "Indie Rock",
    "G-Funk",
    "Dubstep",
    "Garage Rock",
    "Psybient",
];

/// The number of a name, however it is written in upper and lower case.
pub fn number(name: &str) -> Option<u8> {
    let at = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name.trim()));
    at.and_then(|at| u8::try_from(at).ok())
}

/// The name of a number in text: `17`.
fn numbered(text: &str) -> Option<&'static str> {
    if text.len() > 3 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse::<usize>().ok().and_then(|number| NAMES.get(number).copied())
}

/// The genres of one text of a `TCON` frame: numbers in brackets (ID3v2.3, 4.2.1), each perhaps refined by the text behind
/// it, a bare number (ID3v2.4), or a name. `(17)(80)Neofolk` is Rock, Folk and Neofolk; `((Sic)` is `(Sic)`.
pub fn names(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !name.is_empty() && found.iter().all(|known| !known.eq_ignore_ascii_case(name)) {
            found.push(name.to_owned());
        }
    };
    let mut rest = text.trim();
    while let Some((inside, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        match inside {
            "RX" => add("Remix"),
            "CR" => add("Cover"),
            _ => match numbered(inside) {
                Some(name) => add(name),
                None => break,
            },
        }
        rest = after.trim_start();
    }
    if rest.starts_with("((") {
        rest = &rest[1..];
    }
    match rest {
        "RX" => add("Remix"),
        "CR" => add("Cover"),
        _ => add(numbered(rest).unwrap_or(rest)),
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_id3_are_read_as_players_read_them() {
        for (text, wanted) in [
            ("Rock", &["Rock"][..]),
            ("17", &["Rock"]),
            ("(17)", &["Rock"]),
            ("(17)Rock", &["Rock"]),
            ("(17)(80)Neofolk", &["Rock", "Folk", "Neofolk"]),
            ("(4)Eurodisco", &["Disco", "Eurodisco"]),
            ("((Sic)", &["(Sic)"]),
            ("(RX)", &["Remix"]),
            ("(999)", &["(999)"]),
            ("1984", &["1984"]),
            ("(Post) Rock", &["(Post) Rock"]),
            ("  ", &[]),
        ] {
            assert_eq!(names(text), wanted, "{text}");
        }
        assert_eq!((number("rock"), number("Psybient"), number("Techno-Dub")), (Some(17), Some(191), None));
    }
}
