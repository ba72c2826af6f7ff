//! The command line as its user meets it: exit codes, output, help texts; and the documents a consumer reads.
