"""
What is asked and told of files and volumes: information classes, control codes and what they carry (MS-FSCC).

Bytes in, values out. It knows L{filesvc.dtyp} and nothing else; it does no I/O.
"""
