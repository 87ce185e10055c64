"""The cache of faces that were read earlier, found by a digest of what they were read from.

A kept reading is one ``.npy`` file with one record (classes and layout as JSON, labels, usage,
people, rows, votes and a fingerprint) and the pixels behind it, since no record of NumPy's may be
larger than 2 GiB. Both are mapped into memory, not copied. It is written beside its final name and
moved into place, so that it is there as a whole or not at all. It is sealed with a secret of this
account (`ferkeras.files.secret`): what is damaged, or was made by somebody else, is passed over and
written anew. Faces that are too many for memory are written there while they are being read
(`large.py`), and never anywhere else.
"""
