-- The newest schema of state.db: schema 4. A new file is made from this script; migrations.cc brings older files to the
-- same result. What must never happen is refused by a constraint here, whatever the code above does.
--
-- Times are microseconds since 1970, UTC. Numbers of 64 bits without a sign are kept as their bit pattern.

-- Single values: 'installation_id' (UUID, tags every process of this state directory), 'subnet' (where address blocks
-- are leased from, as in address_lease).
CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- dir_name is the VM's directory below vms/: its name, except while a rename is under way. follow_up is what is to be
-- done once the VM is off. The expiry is given twice: as wall clock, and as CLOCK_BOOTTIME (nanoseconds) in the boot of
-- the host that it was made in, which no change of the wall clock moves.
CREATE TABLE vm (
  id TEXT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
  dir_name TEXT NOT NULL UNIQUE CHECK (length(dir_name) BETWEEN 1 AND 63),
  state TEXT NOT NULL CHECK (state IN (
    'creating', 'created', 'starting', 'running', 'paused', 'stopping', 'stopped', 'failed', 'deleting')),
  state_reason TEXT NOT NULL CHECK (state = 'failed' OR state_reason = ''),
  follow_up TEXT NOT NULL CHECK (follow_up IN ('none', 'start', 'restart', 'delete')),
  image TEXT NOT NULL,
  kernel TEXT NOT NULL,
  boot_args TEXT NOT NULL,
  backend TEXT NOT NULL,
  vcpus INTEGER NOT NULL CHECK (vcpus BETWEEN 1 AND 4294967295),
  memory_mib INTEGER NOT NULL CHECK (memory_mib BETWEEN 1 AND 4294967295),
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes >= 0),
  init TEXT NOT NULL CHECK (init IN ('auto', 'agent')),
  restart_policy TEXT NOT NULL CHECK (restart_policy IN ('no', 'on-failure', 'always')),
  autostart INTEGER NOT NULL CHECK (autostart IN (0, 1)),
  remove_when_stopped INTEGER NOT NULL CHECK (remove_when_stopped IN (0, 1)),
  ttl_seconds INTEGER CHECK (ttl_seconds >= 1),
  disk_path TEXT NOT NULL,
  disk_format TEXT NOT NULL CHECK (disk_format IN ('', 'raw', 'qcow2')),
  created_at INTEGER NOT NULL,
  started_at INTEGER,
  boot_retries INTEGER NOT NULL CHECK (boot_retries >= 0),
  restarts INTEGER NOT NULL CHECK (restarts >= 0),
  expires_at INTEGER,
  expires_host_boot_id TEXT CHECK ((expires_host_boot_id IS NULL) = (expires_at IS NULL)),
  expires_boottime_ns INTEGER CHECK ((expires_boottime_ns IS NULL) = (expires_at IS NULL)),
  request_id TEXT UNIQUE CHECK (request_id <> ''),
  request_digest TEXT CHECK ((request_digest IS NULL) = (request_id IS NULL)),
  owner_uid INTEGER NOT NULL CHECK (owner_uid BETWEEN 0 AND 4294967295)
) STRICT;

-- No name of a VM is another's directory: what a rename still holds is not given away.
CREATE TRIGGER vm_name_insert BEFORE INSERT ON vm
WHEN EXISTS (SELECT 1 FROM vm WHERE dir_name = NEW.name AND id <> NEW.id)
  OR EXISTS (SELECT 1 FROM vm WHERE name = NEW.dir_name AND id <> NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'vm.name is the directory of another vm');
END;

CREATE TRIGGER vm_name_update BEFORE UPDATE OF name, dir_name ON vm
WHEN EXISTS (SELECT 1 FROM vm WHERE dir_name = NEW.name AND id <> NEW.id)
  OR EXISTS (SELECT 1 FROM vm WHERE name = NEW.dir_name AND id <> NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'vm.name is the directory of another vm');
END;

CREATE TABLE vm_label (
  vm_id TEXT NOT NULL REFERENCES vm ON DELETE CASCADE,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (vm_id, key)
) STRICT, WITHOUT ROWID;

-- Leases: a number and the VM that has it. They go with their VM.
CREATE TABLE cid_lease (
  cid INTEGER NOT NULL PRIMARY KEY CHECK (cid BETWEEN 3 AND 4294967294),
  vm_id TEXT NOT NULL UNIQUE REFERENCES vm ON DELETE CASCADE
) STRICT;

-- A /30 block of a subnet ('10.100.0.0/16'), counted from 0.
CREATE TABLE address_lease (
  subnet TEXT NOT NULL,
  block_index INTEGER NOT NULL CHECK (
    block_index BETWEEN 0 AND (1 << (30 - CAST(substr(subnet, instr(subnet, '/') + 1) AS INTEGER))) - 1),
  vm_id TEXT NOT NULL UNIQUE REFERENCES vm ON DELETE CASCADE,
  PRIMARY KEY (subnet, block_index)
) STRICT, WITHOUT ROWID;

-- A port of the host and what it leads to. Not changed, only made and released.
CREATE TABLE port_lease (
  protocol TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  host_port INTEGER NOT NULL CHECK (host_port BETWEEN 1 AND 65535),
  host_address TEXT NOT NULL CHECK (host_address <> ''),
  vm_id TEXT NOT NULL REFERENCES vm ON DELETE CASCADE,
  guest_target TEXT NOT NULL,
  purpose TEXT NOT NULL,
  PRIMARY KEY (protocol, host_port, host_address)
) STRICT, WITHOUT ROWID;

CREATE INDEX port_lease_vm ON port_lease (vm_id);

-- A port on every address ('0.0.0.0': of IPv4; '::': of both) is the port on each of them.
CREATE TRIGGER port_lease_wildcard BEFORE INSERT ON port_lease
WHEN EXISTS (
  SELECT 1 FROM port_lease AS taken
  WHERE taken.protocol = NEW.protocol AND taken.host_port = NEW.host_port
    AND ('::' IN (taken.host_address, NEW.host_address)
      OR ('0.0.0.0' IN (taken.host_address, NEW.host_address)
        AND instr(taken.host_address, ':') = 0 AND instr(NEW.host_address, ':') = 0))
)
BEGIN
  SELECT RAISE(ABORT, 'port_lease.host_port is taken on every address or on one of them');
END;

CREATE TRIGGER port_lease_fixed BEFORE UPDATE OF protocol, host_port, host_address ON port_lease
BEGIN
  SELECT RAISE(ABORT, 'port_lease is not changed');
END;

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

-- The image that a VM was made from, as it was then. No row: it has none, or was made before schema 4.
CREATE TABLE vm_image (
  vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vm ON DELETE CASCADE,
  image_id TEXT NOT NULL CHECK (image_id <> ''),
  config TEXT NOT NULL CHECK (config <> ''),
  run_entrypoint INTEGER NOT NULL CHECK (run_entrypoint IN (0, 1))
) STRICT, WITHOUT ROWID;

-- The VM that another was forked from. No reference to vm: the parent may be gone.
CREATE TABLE vm_parent (
  vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vm ON DELETE CASCADE,
  parent_id TEXT NOT NULL,
  parent_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A file below layers/ that nobody writes and that disks, snapshots and other layers lie over (qcow2 backing files).
-- depth: layers under it, itself counted.
CREATE TABLE disk_layer (
  id TEXT NOT NULL PRIMARY KEY,
  format TEXT NOT NULL CHECK (format IN ('raw', 'qcow2')),
  base_id TEXT REFERENCES disk_layer ON DELETE RESTRICT,
  depth INTEGER NOT NULL CHECK (depth >= 1 AND (depth = 1) = (base_id IS NULL)),
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX disk_layer_base ON disk_layer (base_id);

-- The layer that a VM's disk lies over. No row: the disk lies over an image, or over nothing.
CREATE TABLE vm_disk_layer (
  vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vm ON DELETE CASCADE,
  layer_id TEXT NOT NULL REFERENCES disk_layer ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE INDEX vm_disk_layer_layer ON vm_disk_layer (layer_id);

-- A disk as it was. Either a file of its own in the VM's directory (file_name), or a layer.
CREATE TABLE snapshot (
  id TEXT NOT NULL PRIMARY KEY,
  vm_id TEXT NOT NULL REFERENCES vm ON DELETE CASCADE,
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
  state TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
  format TEXT NOT NULL CHECK (format IN ('raw', 'qcow2')),
  file_name TEXT CHECK (file_name <> '' AND instr(file_name, '/') = 0),
  layer_id TEXT REFERENCES disk_layer ON DELETE RESTRICT,
  disk_bytes INTEGER NOT NULL CHECK (disk_bytes > 0),
  created_at INTEGER NOT NULL,
  UNIQUE (vm_id, name),
  CHECK (state <> 'ready' OR (file_name IS NULL) <> (layer_id IS NULL))
) STRICT, WITHOUT ROWID;

CREATE INDEX snapshot_layer ON snapshot (layer_id);

-- Data volumes, which no VM takes with it.
CREATE TABLE volume (
  name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 20),
  state TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  filesystem TEXT NOT NULL CHECK (filesystem IN ('', 'ext4')),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A volume is in one VM at a time.
CREATE TABLE volume_attachment (
  vm_id TEXT NOT NULL REFERENCES vm ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  volume TEXT NOT NULL UNIQUE REFERENCES volume ON DELETE RESTRICT,
  mount_path TEXT NOT NULL CHECK (mount_path = '' OR substr(mount_path, 1, 1) = '/'),
  read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
  PRIMARY KEY (vm_id, position)
) STRICT, WITHOUT ROWID;

-- A start of a VM whose processes may exist (pid 0: the intent to launch them). Not cascading: a VM is not forgotten
-- while its machine is not.
CREATE TABLE machine (
  vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vm ON DELETE RESTRICT,
  machine_id TEXT NOT NULL UNIQUE,
  host_boot_id TEXT NOT NULL,
  backend TEXT NOT NULL,
  accelerator TEXT NOT NULL,
  pid INTEGER NOT NULL CHECK (pid >= 0),
  start_time INTEGER NOT NULL
) STRICT;

CREATE TABLE machine_process (
  vm_id TEXT NOT NULL REFERENCES machine ON DELETE CASCADE,
  position INTEGER NOT NULL,
  pid INTEGER NOT NULL CHECK (pid > 0),
  start_time INTEGER NOT NULL,
  PRIMARY KEY (vm_id, position)
) STRICT, WITHOUT ROWID;

-- What happened. No reference to vm: events outlive it. AUTOINCREMENT: a number is never used again.
CREATE TABLE event (
  sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  vm_id TEXT NOT NULL,
  vm_name TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;
