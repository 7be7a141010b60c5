//! What a teacher says of songs, from which the targets of a student's frames are read.

/// What a teacher says of all songs of a library.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lessons {
    /// Numbers of an embedding.
    pub embedding: usize,
    /// Numbers of what is said of labels.
    pub labels: usize,
    /// One for each song.
    pub songs: Vec<Lesson>,
}

/// What a teacher says of a song.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lesson {
    /// Seconds from the song's beginning to the middle of what each row is about, ascending.
    pub middles: Vec<f64>,
    /// A row each: its embedding, then its labels.
    pub rows: Vec<f32>,
}

impl Lessons {
    /// Numbers of a row.
    pub fn width(&self) -> usize {
        self.embedding + self.labels
    }

    /// Writes what is said of a song at so many seconds: between two rows the mean of both, each by how near it is, and
    /// beyond the first or last that one. A song of which nothing is said stays as it is.
    pub fn write(&self, song: usize, seconds: f64, embedding: &mut [f32], labels: &mut [f32]) {
        let Some(Lesson { middles, rows }) = self.songs.get(song) else { return };
        let Some(last) = middles.len().checked_sub(1) else { return };
        let after = middles.partition_point(|&middle| middle < seconds).min(last);
        let before = after.saturating_sub(1);
        let distance = middles[after] - middles[before];
        let share =
            if distance > 0.0 { ((seconds - middles[before]) / distance).clamp(0.0, 1.0) } else { 0.0 };
        let row = |number: usize| &rows[number * self.width()..][..self.width()];
        let between = row(before).iter().zip(row(after)).map(|(&a, &b)| a + share as f32 * (b - a));
        embedding.iter_mut().chain(labels).zip(between).for_each(|(to, value)| *to = value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_where_they_are_and_between() {
        let lesson = Lesson { middles: vec![1.0, 2.0, 4.0], rows: vec![1.0, 10.0, 3.0, 30.0, 5.0, 10.0] };
        let lessons = Lessons { embedding: 1, labels: 1, songs: vec![lesson, Lesson::default()] };
        let at = |seconds: f64| {
            let (mut embedding, mut labels) = ([9.0], [9.0]);
            lessons.write(0, seconds, &mut embedding, &mut labels);
            (embedding[0], labels[0])
        };
        assert_eq!([at(0.0), at(1.0), at(1.5)], [(1.0, 10.0), (1.0, 10.0), (2.0, 20.0)]);
        assert_eq!([at(2.0), at(3.5), at(9.0)], [(3.0, 30.0), (4.5, 15.0), (5.0, 10.0)]);
        let mut nothing = [7.0];
        lessons.write(1, 1.0, &mut nothing, &mut []);
        lessons.write(2, 1.0, &mut nothing, &mut []);
        assert_eq!(nothing, [7.0]);
    }
}
