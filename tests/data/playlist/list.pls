[playlist]
NumberOfEntries=2
File2=http://h/2
Title2=x
File1=http://h:80/1.aac
Version=2
