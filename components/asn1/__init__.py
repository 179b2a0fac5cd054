"""ASN.1 (X.690) as the rooms here need it: DER written, DER and BER read, bounded and without recursion.

`der` is a writer and a lazy reader, `ber` makes definite what comes with indefinite lengths. What is rare, or has many
defaults, is pyasn1's: it is imported where that is read.
"""
