//! Zeek logs: rows in, rows out.
