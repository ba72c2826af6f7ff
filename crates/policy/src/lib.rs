//! Who may ask what: agreement, function and powers, decided as a pure function.
