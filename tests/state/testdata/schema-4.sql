-- A state.db of schema 4 as it was written then: its schema, and one row of each kind. Never changed again.

CREATE TABLE meta (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

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

CREATE TABLE cid_lease (
  cid INTEGER NOT NULL PRIMARY KEY CHECK (cid BETWEEN 3 AND 4294967294),
  vm_id TEXT NOT NULL UNIQUE REFERENCES vm ON DELETE CASCADE
) STRICT;

CREATE TABLE address_lease (
  subnet TEXT NOT NULL,
  block_index INTEGER NOT NULL CHECK (
    block_index BETWEEN 0 AND (1 << (30 - CAST(substr(subnet, instr(subnet, '/') + 1) AS INTEGER))) - 1),
  vm_id TEXT NOT NULL UNIQUE REFERENCES vm ON DELETE CASCADE,
  PRIMARY KEY (subnet, block_index)
) STRICT, WITHOUT ROWID;

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

CREATE TABLE event (
  sequence INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
  time INTEGER NOT NULL,
  vm_id TEXT NOT NULL,
  vm_name TEXT NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  message TEXT NOT NULL
) STRICT;

CREATE TABLE vm_image (
  vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vm ON DELETE CASCADE,
  image_id TEXT NOT NULL CHECK (image_id <> ''),
  config TEXT NOT NULL CHECK (config <> ''),
  run_entrypoint INTEGER NOT NULL CHECK (run_entrypoint IN (0, 1))
) STRICT, WITHOUT ROWID;

CREATE TABLE vm_parent (
  vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vm ON DELETE CASCADE,
  parent_id TEXT NOT NULL,
  parent_name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE disk_layer (
  id TEXT NOT NULL PRIMARY KEY,
  format TEXT NOT NULL CHECK (format IN ('raw', 'qcow2')),
  base_id TEXT REFERENCES disk_layer ON DELETE RESTRICT,
  depth INTEGER NOT NULL CHECK (depth >= 1 AND (depth = 1) = (base_id IS NULL)),
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX disk_layer_base ON disk_layer (base_id);

CREATE TABLE vm_disk_layer (
  vm_id TEXT NOT NULL PRIMARY KEY REFERENCES vm ON DELETE CASCADE,
  layer_id TEXT NOT NULL REFERENCES disk_layer ON DELETE RESTRICT
) STRICT, WITHOUT ROWID;

CREATE INDEX vm_disk_layer_layer ON vm_disk_layer (layer_id);

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

CREATE TABLE volume (
  name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 20),
  state TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'deleting')),
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0),
  filesystem TEXT NOT NULL CHECK (filesystem IN ('', 'ext4')),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE volume_attachment (
  vm_id TEXT NOT NULL REFERENCES vm ON DELETE CASCADE,
  position INTEGER NOT NULL CHECK (position >= 0),
  volume TEXT NOT NULL UNIQUE REFERENCES volume ON DELETE RESTRICT,
  mount_path TEXT NOT NULL CHECK (mount_path = '' OR substr(mount_path, 1, 1) = '/'),
  read_only INTEGER NOT NULL CHECK (read_only IN (0, 1)),
  PRIMARY KEY (vm_id, position)
) STRICT, WITHOUT ROWID;

PRAGMA application_id = 1162691154;
PRAGMA user_version = 4;

INSERT INTO meta VALUES ('installation_id', '6e1d2c5a-0d0b-4b0e-9d59-2f6a3f6f7a11');
INSERT INTO meta VALUES ('subnet', '10.100.0.0/16');
INSERT INTO vm VALUES (
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'web', 'web', 'running', '', 'start', 'debian', '6.1.0-40-cloud-amd64',
  'quiet', 'qemu', 2, 1024, 8589934592, 'auto', 'on-failure', 1, 0, 3600, '/var/lib/ember/vms/web/disk.qcow2',
  'qcow2', 1700000000000000, 1700000001000000, 0, 2, 1700003600000000, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0021',
  3600000000123, 'request-1', 'digest-1', 1000);
INSERT INTO vm VALUES (
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0002', 'db', 'old-db', 'failed', 'qemu ended with exit code 1', 'none',
  'busybox', '6.1.0-40-cloud-amd64', '', 'qemu', 1, 512, 8589934592, 'agent', 'no', 0, 1, NULL,
  '/var/lib/ember/vms/db/disk.img', 'raw', 1700000002000000, NULL, 1, 0, NULL, NULL, NULL, NULL, NULL, 0);
INSERT INTO vm_label VALUES ('0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'team', 'core');
INSERT INTO cid_lease VALUES (3, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001');
INSERT INTO cid_lease VALUES (4, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0002');
INSERT INTO address_lease VALUES ('10.100.0.0/16', 0, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001');
INSERT INTO address_lease VALUES ('10.100.0.0/16', 1, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0002');
INSERT INTO port_lease VALUES ('tcp', 8080, '127.0.0.1', '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', '80', 'forward');
INSERT INTO forward VALUES (
  '0f0e7c1c-63a4-7a4e-8f8e-0b6a8b8b0031', '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 0, 'tcp', '127.0.0.1', 8080, NULL,
  'tcp', 80, NULL);
INSERT INTO forward VALUES (
  '0f0e7c1c-63a4-7a4e-8f8e-0b6a8b8b0032', '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 1, 'unix', NULL, NULL, '/tmp/agent.sock',
  'tcp', 9000, NULL);
INSERT INTO vm_image VALUES (
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'sha256:4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a',
  '{"env":["PATH=/bin"],"entrypoint":["/server"],"user":"web"}', 1);
INSERT INTO vm_parent VALUES (
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0009', 'golden');
INSERT INTO disk_layer VALUES (
  '0f0e7c1c-63a4-7a4e-8f8e-0b6a8b8b0041', 'qcow2', NULL, 1, 8589934592, 1700000000100000);
INSERT INTO disk_layer VALUES (
  '0f0e7c1c-63a4-7a4e-8f8e-0b6a8b8b0042', 'qcow2', '0f0e7c1c-63a4-7a4e-8f8e-0b6a8b8b0041', 2, 8589934592,
  1700000000200000);
INSERT INTO vm_disk_layer VALUES ('0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', '0f0e7c1c-63a4-7a4e-8f8e-0b6a8b8b0042');
INSERT INTO snapshot VALUES (
  '0f0e7c1c-63a4-7a4e-8f8e-0b6a8b8b0051', '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'before', 'ready', 'qcow2', NULL,
  '0f0e7c1c-63a4-7a4e-8f8e-0b6a8b8b0041', 8589934592, 1700000000100000);
INSERT INTO volume VALUES ('data', 'ready', 1073741824, 'ext4', 1700000000000000);
INSERT INTO volume_attachment VALUES ('0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 0, 'data', '/srv', 0);
INSERT INTO machine VALUES (
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0011',
  '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0021', 'qemu', 'tcg', 4711, 99);
INSERT INTO machine_process VALUES ('0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 0, 4712, 100);
INSERT INTO event VALUES (
  1, 1700000000000000, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'web', 'creating', 'creating', '');
INSERT INTO event VALUES (2, 1700000000500000, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0001', 'web', 'running', 'running', '');
INSERT INTO event VALUES (
  5, 1700000003000000, '0f0e7c1c-63a4-4a4e-8f8e-0b6a8b8b0002', 'db', 'failed', 'failed',
  'qemu ended with exit code 1');
