//! The dossier over the wire: what settles it, who may read it again, and under which rights.
