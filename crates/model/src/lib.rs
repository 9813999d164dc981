//! What the operator means: commands, virtual services, real servers.
