"""The teacher's answers on disk: a folder whose making can be killed at any moment and continued.

    settings.json            what the answers depend on, written first; a folder holds answers of one setting only
    environment.json         versions of the packages that the first run used
    teacher.json             how logits come from answers: kind, width, scale, bias
    classes.json             the class list that they were made with
    heads/*.safetensors      zero-shot heads of class lists
    shards/0000000012.bin    records of some rows of a virtual epoch (`dad.virtual_epochs`): those of the first view,
                             then those of the second, of one size each
    shards/0000000012.json   marker of that shard: hash, size, rows
    manifest.json            the virtual epochs that are whole, and the hash of every file

Data first, marker last, as in a DAD set, whose locks, seals and settings these are. A record is found by its row, so
that nobody keeps a list of keys. More virtual epochs may be added at any time.
"""
