-- Schema 2 -> 3: forwards. Schema 2 had leases for them, and nothing that made one. Its result is what schema.sql was
-- then: never changed again.

DELETE FROM port_lease WHERE purpose = 'forward';

-- A socket of the host that leads to one of a guest, or the reverse. The host's side of one that listens there holds its
-- address: a path by itself, a port by its lease, which is made and released with this row.
CREATE TABLE forward (
  id TEXT NOT NULL PRIMARY KEY,
  vm_id TEXT NOT NULL REFERENCES vm ON DELETE CASCADE,
  reverse INTEGER NOT NULL CHECK (reverse IN (0, 1)),
  host_kind TEXT NOT NULL CHECK (host_kind IN ('tcp', 'udp', 'unix')),
  host_ip TEXT CHECK ((host_ip IS NULL) = (host_kind = 'unix')),
  host_port INTEGER CHECK (host_port BETWEEN 1 AND 65535 AND (host_port IS NULL) = (host_kind = 'unix')),
  host_path TEXT CHECK (substr(host_path, 1, 1) = '/' AND (host_path IS NULL) = (host_kind <> 'unix')),
  guest_kind TEXT NOT NULL CHECK (guest_kind IN ('tcp', 'udp', 'unix')),
  guest_port INTEGER CHECK (guest_port BETWEEN 1 AND 65535 AND (guest_port IS NULL) = (guest_kind = 'unix')),
  guest_path TEXT CHECK (substr(guest_path, 1, 1) = '/' AND (guest_path IS NULL) = (guest_kind <> 'unix')),
  CHECK ((host_kind = 'udp') = (guest_kind = 'udp')),
  CHECK (host_kind <> 'udp' OR reverse = 0)
) STRICT;

CREATE INDEX forward_vm ON forward (vm_id);

CREATE UNIQUE INDEX forward_port ON forward (host_kind, host_ip, host_port) WHERE reverse = 0 AND host_kind <> 'unix';

CREATE UNIQUE INDEX forward_path ON forward (host_path) WHERE reverse = 0 AND host_kind = 'unix';

CREATE UNIQUE INDEX forward_guest ON forward (vm_id, coalesce(guest_path, guest_port)) WHERE reverse = 1;
