//! Which known word was meant by an unknown one.
//!
//! The distance is Damerau's in its restricted form: letters added, lost, changed, or two
//! neighbours swapped, each once.

/// The longest word that is compared; longer ones are no typing mistakes.
const WORD_BYTES_MAX: usize = 256;

/// The word among `known` that is nearest to `wanted`, unless all are too far off to be meant: more
/// than a third of the letters differ. Upper and lower case count as equal.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wanted.is_empty() || wanted.len() > WORD_BYTES_MAX {
        return None;
    }
    let wanted: Vec<char> = wanted.to_lowercase().chars().collect();
    let distance_max = (wanted.len() / 3).max(1);
    known
        .into_iter()
        .filter(|word| word.len().abs_diff(wanted.len()) <= distance_max.max(WORD_BYTES_MAX / 32))
        .map(|word| {
            (
                distance(&wanted, &word.to_lowercase().chars().collect::<Vec<_>>()),
                word,
            )
        })
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

/// How many letters to add, drop, change or swap with a neighbour to turn `left` into `right`.
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut left_previous = None;
    for (row, &left_letter) in left.iter().enumerate() {
        let mut current = vec![row + 1];
        let mut right_previous = None;
        for (column, &right_letter) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let changed = at(&last, column) + usize::from(left_letter != right_letter);
            let shifted = at(&last, column + 1).min(at(&current, column)) + 1;
            let mut cost = changed.min(shifted);
            let is_swap = row > 0
                && column > 0
                && left_previous == Some(right_letter)
                && right_previous == Some(left_letter);
            if is_swap {
                cost = cost.min(at(&before_last, column - 1) + 1);
            }
            current.push(cost);
            right_previous = Some(right_letter);
        }
        left_previous = Some(left_letter);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}
