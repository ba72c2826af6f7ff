//! Mock agencies: real wire forms over mutual TLS, synthetic personas, faults on demand.
