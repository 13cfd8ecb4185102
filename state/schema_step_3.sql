-- Schema 3 -> 4: images with an id and a config, forks, layers of disks, snapshots, data volumes. Its result is what
-- schema.sql was then: never changed again.

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
